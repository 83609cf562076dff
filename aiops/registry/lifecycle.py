"""Every change of a tool server: it is saved, workers learn of it at once, and its health is looked at soon."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

import redis
from django.db import transaction
from django.db.models.functions import Now

from aiops import dispatch, keyspace, log
from aiops.errors import NotFound, Unavailable
from aiops.registry import health
from aiops.registry.models import MCPServer

WHERE = ("protocol", "url", "endpoint", "health_path", "headers", "command", "args", "env", "place")
"""Fields that say where a server is and as whom it is asked."""

logger = log.get(__name__)


def put(server: MCPServer, *, changed: Iterable[str]) -> None:
    """Save what ``full_clean`` found right; workers use it at once if it is healthy. Raises NotFound.

    Of a row that exists only the ``changed`` fields are written: a look may have changed its status meanwhile. One that
    is somewhere else now is unknown until it was looked at, unless its status is given, too.
    """
    fields = {*changed}
    if not server._state.adding and fields.intersection(WHERE):
        server.tools = None
        fields.add("tools")
        if "status" not in fields:
            server.status = MCPServer.Status.UNKNOWN
            fields.add("status")
    server.look_at = Now()
    server.suspected, server.confirmations = "", 0
    if "status" in fields:
        server.status_since, server.problem = Now(), ""
        fields |= {"status_since", "problem"}
    with transaction.atomic():
        if server._state.adding:
            server.save()
        elif MCPServer.objects.select_for_update().filter(pk=server.pk).exists():
            server.save(update_fields={*fields, "look_at", "suspected", "confirmations", "updated_at"})
        else:
            raise NotFound("The tool server was deleted meanwhile.")
        transaction.on_commit(_changed)
    server.refresh_from_db()


def remove(server: MCPServer) -> None:
    """Delete it; workers close its sessions."""
    with transaction.atomic():
        server.delete()
        transaction.on_commit(announce)


def look_now() -> None:
    """Have every server looked at that the health job looks at; raises Unavailable."""
    health.watched().filter(suspected="").update(look_at=Now())  # who is being confirmed is due in seconds
    dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()))


def announce() -> None:
    """Let every worker read the tool servers and their tools anew; logged when Redis is down."""
    try:
        keyspace.sync().publish(keyspace.CONTROL, keyspace.TOOLS)
    except redis.RedisError as error:  # workers read the rows again within a minute
        logger.warning("tools.change_untold", error=str(error))


def _changed() -> None:
    announce()
    try:
        dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()))
    except Unavailable as error:  # the clock asks within a minute
        logger.warning("tools.look_not_asked", error=error.detail)
