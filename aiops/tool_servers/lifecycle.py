"""Changes of a tool server: saves them, informs workers, and requests a health check."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

import redis
from django.db import transaction
from django.db.models.functions import Now

from aiops import database, dispatch, keyspace, log
from aiops.errors import NotFound, Unavailable
from aiops.tool_servers import health
from aiops.tool_servers.addresses import PROGRAM
from aiops.tool_servers.models import MCPServer, Tool

WHERE = (
    *("protocol", "url", "endpoint", "health_path", "headers", "command", "args", "env", "cwd", "place"),
    *("credential", "credential_header"),
)
"""Fields that determine which server is reached, and with which rights."""
MIN_PAUSE = timedelta(seconds=15)
"""Between a health check and one for which the server itself gives the reason."""

logger = log.get(__name__)


def lock(pk: UUID) -> MCPServer:
    """Return the current row, locked until the transaction ends; raises NotFound."""
    try:
        return MCPServer.objects.select_for_update().get(pk=pk)
    except MCPServer.DoesNotExist as error:
        raise NotFound("The tool server was deleted meanwhile.") from error


def put(server: MCPServer, *, changed: Iterable[str]) -> None:
    """Save a server that ``full_clean`` accepted; raises NotFound when it was deleted meanwhile.

    Read an existing row with ``lock`` first, so that the checked row is the saved one. Only its ``changed`` fields are
    written, because a health check may have changed its status meanwhile. A changed address makes the status unknown,
    unless the status is changed, too.
    """
    fields = {*changed}
    if fields.intersection(("headers", "env")):
        fields.add("credential")  # which follows from them, unless it is each person's own
    if not server._state.adding and fields.intersection(WHERE):
        server.tools = server.prompts = server.resources = None
        server.lists_problem = ""
        fields |= {"tools", "prompts", "resources", "lists_problem"}
        if "status" not in fields:
            server.status = MCPServer.Status.UNKNOWN
            fields.add("status")
    server.look_at = Now()
    server.suspected, server.confirmations = "", 0
    if "status" in fields:
        server.status_since, server.problem, server.output = Now(), "", ""
        fields |= {"status_since", "problem", "output"}
    with transaction.atomic():
        if server._state.adding:
            server.save()
        else:
            lock(server.pk)
            server.save(update_fields={*fields, "look_at", "suspected", "confirmations", "updated_at"})
            if fields.intersection(PROGRAM):
                Tool.objects.filter(server=server).update(status=Tool.Status.PENDING, pin="")
        database.once_committed(announce)
        database.once_committed(request_check)
    server.refresh_from_db()


def add(servers: Iterable[MCPServer]) -> None:
    """Save several new servers that ``full_clean`` accepted, all or none; raises IntegrityError for a taken name."""
    with transaction.atomic():
        for server in servers:
            server.save(force_insert=True)
        database.once_committed(announce)
        database.once_committed(request_check)


def remove(server: MCPServer) -> None:
    """Delete a server; workers close its sessions."""
    server.delete()
    database.once_committed(announce)


def check_now() -> None:
    """Request a health check of every server; raises Unavailable."""
    health.watched().filter(suspected="").update(look_at=Now())  # a suspected one is due in seconds anyway
    dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()))


def refresh() -> None:
    """List again what servers offer: workers their tools, health checks that, prompts and resources."""
    health.watched().filter(suspected="").update(look_at=Now())
    announce()
    request_check()


def check_changed(name: str) -> None:
    """Check a server soon that says that its prompts or resources have changed; every worker that hears it calls this.

    One that was checked a moment ago waits for the next check, so that servers cannot cause many.
    """
    rows = health.watched().filter(name=name, suspected="", look_at__gt=Now(), checked_at__lt=Now() - MIN_PAUSE)
    if rows.update(look_at=Now()):
        request_check()


def announce() -> int:
    """Make every worker reload tool servers and tools; return how many workers were informed, 0 without Redis."""
    try:
        return int(keyspace.sync().publish(keyspace.CONTROL, keyspace.control(keyspace.TOOLS)))
    except redis.RedisError as error:  # workers read the rows again within a minute
        logger.warning("tools.change_not_sent", error=str(error))
        return 0


def request_check(*, in_s: int = 0) -> None:
    """Queue the health job, now or in some seconds."""
    try:
        dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()), in_s=in_s)
    except Unavailable as error:  # beat queues the job every minute
        logger.warning("tools.check_not_requested", error=error.detail)
