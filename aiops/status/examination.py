"""Examines the running system: each part is checked on its own, so that one failure hides no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from django.db import DatabaseError, InterfaceError, connection

from aiops import __version__, database, dispatch, keyspace, settings
from aiops.errors import Refused, Unavailable
from aiops.llm import choice, snapshot
from aiops.maintenance.models import JobRun
from aiops.people.models import User
from aiops.status import failures
from aiops.status import parts as parts_of
from aiops.tool_servers.models import MCPServer

FRESH_S = 1.0
"""Maximum age of the cached status, seconds; concurrent requests share one examination."""
FAILURES = (redis.RedisError, OSError, RuntimeError, DatabaseError, InterfaceError, Unavailable)
"""Errors of a part that is down or not configured."""
FAILED = JobRun.Outcome.FAILED
BAD = (MCPServer.Status.FAILED, MCPServer.Status.VULNERABLE)
Facts = dict[str, Any]

_started = time.monotonic()
_lock = threading.Lock()
_latest: tuple[float, Facts] = (float("-inf"), {})


def examine() -> Facts:
    """Return the status as staff see it, at most ``FRESH_S`` old."""
    global _latest
    with _lock:
        if time.monotonic() - _latest[0] > FRESH_S:
            facts = _examine()
            _latest = (time.monotonic(), facts)
        return _latest[1]


def shown_to(user: User) -> Facts:
    """Return the status with the details that this user may read: none but for staff."""
    facts = examine()
    if not user.is_staff:
        return {**facts, "details": None}
    details = facts["details"]
    return {**facts, "details": {**details, "failures": failures.visible_to(user, details["failures"])}}


def address(url: str) -> str:
    """Return a server's URL without user, password and options."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if url else ""


def database_address() -> str:
    """Return the address of this process's database: a path, or a URL without credentials."""
    configured = connection.settings_dict
    if connection.vendor == "sqlite":
        name = str(configured["NAME"])
        return unquote(name[len("file:") :].partition("?")[0]) if name.startswith("file:") else name
    return f"{connection.vendor}://{configured['HOST']}:{configured['PORT'] or 5432}/{configured['NAME']}"


def _examine() -> Facts:
    current = settings.current()
    parts = {
        "database": _part(database_address(), database.now_s),
        "redis": _part(address(current.redis_url.get_secret_value()), lambda: keyspace.sync().ping()),
        "broker": _part(address(current.broker), lambda: dispatch.depth(dispatch.RUNS_QUEUE)),
    }
    runs = _read(parts_of.runs_of_queues, otherwise={})
    answers = {name: part["ok"] for name, part in parts.items()}
    queues = [_queue(queue, runs, broker=answers["broker"], redis=answers["redis"]) for queue in dispatch.QUEUES]
    model = _model(current)
    details = {
        **parts,
        "disk": parts_of.disk(),
        "queues": queues,
        "workers": _read(parts_of.workers, otherwise=[]) if answers["redis"] else [],
        "beat": _read(lambda: parts_of.beat(time.monotonic() - _started), otherwise={"ok": False, "last_at": None}),
        "provider": _read(lambda: parts_of.provider(model["provider"]), otherwise=None),
        "jobs": _read(parts_of.jobs, otherwise=[]),
        "tool_servers": _read(parts_of.tool_servers, otherwise=[]),
        "failures": _read(failures.recent, otherwise=[]),
    }
    missing = [name for name, ok in answers.items() if not ok]
    missing += ["model"] if model["problem"] or (details["provider"] or {}).get("reachable") is False else []
    missing += [f"workers of {one['queue']}" for one in queues if one["workers"] == 0]
    missing += ["beat"] if answers["database"] and not details["beat"]["ok"] else []
    missing += ["disk space"] if not details["disk"]["ok"] else []
    missing += [f"job {job['job']}" for job in details["jobs"] if job["overdue"] or job["outcome"] == FAILED]
    missing += [f"tool server {one['name']}" for one in details["tool_servers"] if one["status"] in BAD]
    return {
        "state": "degraded" if missing else "ok",
        "missing": missing,
        "version": __version__,
        "environment": current.environment,
        "uptime_s": time.monotonic() - _started,
        "model": model,
        "details": details,
    }


def _part(where: str, check: Callable[[], object]) -> Facts:
    try:
        check()
    except FAILURES as error:
        return {"ok": False, "address": where, "problem": " ".join(str(error).split())[:300]}
    return {"ok": True, "address": where, "problem": ""}


def _queue(queue: str, runs: dict[str, tuple[int, float]], *, broker: bool, redis: bool) -> Facts:
    """Return a queue's figures; None where unknown: the maintenance queue's workers send no heartbeats."""
    running, oldest_s = runs.get(queue, (None, None))
    figures: Facts = {"queue": queue, "workers": None, "waiting": None, "running": running, "oldest_s": oldest_s}
    try:
        if broker:
            figures["waiting"] = dispatch.depth(queue)
        if redis and queue in dispatch.RUN_QUEUES:
            figures["workers"] = keyspace.live_workers(queue)
    except FAILURES:
        pass  # its server went down since it was checked; the next examination shows that
    return figures


def _model(current: settings.Settings) -> Facts:
    try:
        spec = choice.choose(snapshot.current(current), {})
    except Refused as refused:
        return {"provider": "", "name": "", "reason": "", "problem": refused.detail}
    except FAILURES as error:  # the database, which has its own line
        return {"provider": "", "name": "", "reason": "", "problem": " ".join(str(error).split())[:300]}
    return {"provider": spec.provider, "name": spec.name, "reason": spec.reason, "problem": ""}


def _read(read: Callable[[], Any], *, otherwise: Any) -> Any:
    try:
        return read()
    except FAILURES:
        return otherwise
