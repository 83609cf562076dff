"""The servers under us and who serves their queues: database, Redis, broker, workers, beat."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import redis
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from aiops import dispatch, keyspace
from aiops.errors import Unavailable
from aiops.jobs.models import JobRun
from config.doctor.finding import Finding

SETTINGS = django_settings.SETTINGS
CANARY_S = 6.0


def database() -> list[Finding]:
    """Whether it answers and its tables are up to date."""
    cure = "See that DATABASE_URL is right and the server runs; `aiops up` brings the tables up to date."
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return [Finding("database", False, f"{connection.vendor}: {error}".strip(), cure)]
    if behind:
        return [
            Finding(
                "database",
                False,
                f"{connection.vendor}: {len(behind)} migrations are missing",
                "Start `aiops up`, or run `aiops manage migrate`.",
            )
        ]
    return [Finding("database", True, f"{connection.vendor}, tables up to date")]


def redis_server() -> list[Finding]:
    """Whether events and memory can be kept."""
    cure = "Start `aiops up`, or set REDIS_URL to a Redis 6.2+ or Valkey server that runs."
    if not SETTINGS.redis_url.get_secret_value():
        return [Finding("redis", False, "REDIS_URL is not set and nothing runs from the home", cure)]
    found = []
    for part, url in {"redis": SETTINGS.redis_url.get_secret_value(), "memory": SETTINGS.memory_redis}.items():
        try:
            info = keyspace.sync(url).info()
            if (kind := keyspace.mode(info)) != "standalone":
                found.append(Finding(part, False, f"a {kind}", keyspace.ONE_SERVER))
                continue
            name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
            found.append(Finding(part, True, f"{name}, {info['used_memory_human']} used"))
        except redis.RedisError as error:
            found.append(Finding(part, False, str(error), cure))
    return found


def queues() -> list[Finding]:
    """Whether a canary sent through each queue is heard by a worker."""
    found = []
    for queue in dispatch.QUEUES:
        nonce = uuid.uuid4().hex
        cure = f"See that a worker serves it (celery -A config worker -Q {queue}) and CELERY_BROKER_URL is right."
        try:
            begun = time.monotonic()
            dispatch.canary(queue, nonce)
            heard = _heard(nonce)
            depth = dispatch.depth(queue)
        except (Unavailable, redis.RedisError, RuntimeError) as error:
            found.append(Finding(f"queue {queue}", False, str(error)[:200], cure))
            continue
        ms = (time.monotonic() - begun) * 1e3
        seen = (
            f"a worker answered in {ms:.0f} ms, {depth} waiting"
            if heard
            else f"no worker answered within {CANARY_S:g} s, {depth} waiting"
        )
        found.append(Finding(f"queue {queue}", heard, seen, cure))
    return found + _dead_letters()


def _dead_letters() -> list[Finding]:
    """Whether messages came that no worker could read (RabbitMQ keeps them)."""
    try:
        count = dispatch.depth(dispatch.DEAD_QUEUE)
    except Unavailable:
        return []
    cure = "Read the workers' logs for what was refused, then purge the queue 'dead'; runs are safe in their rows."
    return [Finding("dead letters", False, f"{count} messages", cure, required=False)] if count else []


def _heard(nonce: str) -> bool:
    until = time.monotonic() + CANARY_S
    while time.monotonic() < until:
        if keyspace.sync().exists(keyspace.canary(nonce)):
            return True
        time.sleep(0.05)
    return False


def beat() -> list[Finding]:
    """Whether the clock asks: the reaper's last row is young."""
    cure = "See that exactly one `celery -A config beat` runs, and a worker of the upkeep queue."
    try:
        last = JobRun.objects.filter(job="reaper").order_by("-started_at").first()
    except DatabaseError as error:
        return [Finding("beat", False, str(error), cure)]
    if last is None:
        return [Finding("beat", False, "the reaper never ran", cure)]
    age_s = (datetime.now(UTC) - last.started_at).total_seconds()
    return [
        Finding("beat", age_s < SETTINGS.reaper_s * 3 + 10, f"the reaper ran {age_s:.0f} s ago: {last.outcome}", cure)
    ]
