"""Every change of a tool server: it is saved, workers learn of it at once, and its health is looked at soon."""

from __future__ import annotations

import uuid

import redis
from django.db import transaction
from django.db.models.functions import Now

from aiops import dispatch, keyspace, log
from aiops.errors import Unavailable
from aiops.registry import health
from aiops.registry.models import MCPServer

logger = log.get(__name__)


def put(server: MCPServer) -> None:
    """Save what ``full_clean`` found right; workers use it at once if it is healthy."""
    with transaction.atomic():
        server.look_at = Now()
        server.suspected, server.confirmations = "", 0
        server.save()
        transaction.on_commit(_changed)
    server.refresh_from_db()


def remove(server: MCPServer) -> None:
    """Delete it; workers close its sessions."""
    with transaction.atomic():
        server.delete()
        transaction.on_commit(announce)


def look_now() -> None:
    """Have every server looked at that the health job looks at; raises Unavailable."""
    health.watched().update(look_at=Now())
    dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()))


def announce() -> None:
    """Let every worker read the tool servers and their tools anew; logged when Redis is down."""
    try:
        keyspace.sync().publish(keyspace.CONTROL, keyspace.TOOLS)
    except redis.RedisError as error:  # workers look by themselves when they listen again
        logger.warning("tools.change_untold", error=str(error))


def _changed() -> None:
    announce()
    try:
        dispatch.upkeep(health.JOB, request_id=str(uuid.uuid4()))
    except Unavailable as error:  # the clock asks within a minute
        logger.warning("tools.look_not_asked", error=error.detail)
