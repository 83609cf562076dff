"""Checks of database, Redis, broker, workers and beat."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import redis
from django.conf import settings as django_settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from aiops import certificates, dispatch, keyspace
from aiops.errors import Unavailable, database_problem, is_disk_full
from aiops.maintenance.catalogue import names
from aiops.maintenance.models import JobRun
from config import sqlite
from config.doctor.finding import Finding
from config.local.home import Home

SETTINGS = django_settings.SETTINGS
CANARY_S = 6.0


def database() -> list[Finding]:
    """Check that the database answers and its tables are up to date."""
    cure = "Check that DATABASE_URL is right and the server runs; `aiops up` brings the tables up to date."
    file = sqlite.file_of(SETTINGS.database_url.get_secret_value(), SETTINGS.home)
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        if file is not None and not file.exists():
            cure = "Put it back with its -wal and -shm, or restore a backup; aiops does not create another one."
            return [Finding("database", False, f"{connection.vendor}: {file} is missing", cure)]
        if is_disk_full(error):
            cure = database_problem(error)
        elif "certificate" in str(error):  # libpq has no error of its own for it
            cure = f"See {certificates.PAGE}: sslmode and sslrootcert in DATABASE_URL."
        return [Finding("database", False, f"{connection.vendor}: {error}".strip(), cure)]
    if file is not None and not executor.loader.applied_migrations and Home(SETTINGS.home).token.exists():
        cure = "Put the right file back, or restore a backup: `aiops manage migrate` would only create empty tables."
        return [Finding("database", False, f"{file} has no tables, though this home was used before", cure)]
    seen = (
        f"{connection.vendor}: {len(behind)} migrations are missing" if behind else f"{connection.vendor}, up to date"
    )
    return [Finding("database", not behind, seen, "Start `aiops up`, or run `aiops manage migrate`.")]


def redis_server() -> list[Finding]:
    """Check the Redis servers of events and memory."""
    cure = "Start `aiops up`, or set REDIS_URL to a Redis 6.2+ or Valkey server that runs."
    if not SETTINGS.redis_url.get_secret_value():
        return [Finding("redis", False, "REDIS_URL is not set and nothing runs in the home", cure)]
    found = []
    urls = {"redis": SETTINGS.redis_url.get_secret_value()}
    if SETTINGS.checkpointer == "redis":
        urls["memory"] = SETTINGS.memory_redis
    for part, url in urls.items():
        try:
            info = keyspace.sync(url).info()
            if (kind := keyspace.mode(info)) != "standalone":
                found.append(Finding(part, False, f"a {kind}", keyspace.ONE_SERVER))
                continue
            name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
            found.append(Finding(part, True, f"{name}, {info['used_memory_human']} used"))
        except redis.RedisError as error:
            refused = certificates.problem(error)
            found.append(Finding(part, False, str(error), f"{refused.cure}." if refused else cure))
    return found


def queues() -> list[Finding]:
    """Send a canary through each queue and wait for a worker's answer."""
    found = []
    for queue in dispatch.QUEUES:
        nonce = uuid.uuid4().hex
        cure = f"Check that a worker serves it (celery -A config worker -Q {queue}) and CELERY_BROKER_URL is right."
        try:
            begun = time.monotonic()
            dispatch.canary(queue, nonce)
            answered = _is_answered(nonce)
            depth = dispatch.depth(queue)
        except (Unavailable, redis.RedisError, RuntimeError) as error:
            refused = certificates.problem(error)
            found.append(Finding(f"queue {queue}", False, str(error)[:200], f"{refused.cure}." if refused else cure))
            continue
        ms = (time.monotonic() - begun) * 1e3
        seen = (
            f"a worker answered in {ms:.0f} ms, {depth} waiting"
            if answered
            else f"no worker answered within {CANARY_S:g} s, {depth} waiting"
        )
        found.append(Finding(f"queue {queue}", answered, seen, cure))
    return found + _dead_letters()


def _dead_letters() -> list[Finding]:
    """Report messages that no worker could read (RabbitMQ stores them)."""
    try:
        count = dispatch.depth(dispatch.DEAD_QUEUE)
    except Unavailable:
        return []
    cure = "Read in the workers' logs why they were refused, then purge the queue 'dead'; no run is lost."
    return [Finding("dead letters", False, f"{count} messages", cure, required=False)] if count else []


def _is_answered(nonce: str) -> bool:
    until = time.monotonic() + CANARY_S
    while not keyspace.sync().exists(keyspace.canary(nonce)):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def beat() -> list[Finding]:
    """Check that the reaper ran recently."""
    cure = "Check that exactly one `celery -A config beat` runs, and a worker of the upkeep queue."
    ended = JobRun.objects.exclude(outcome=JobRun.Outcome.RUNNING)  # the row of a worker that died stays running
    try:
        last = ended.filter(job="reaper").order_by("-started_at").first()
    except DatabaseError as error:
        return [Finding("beat", False, str(error), cure)]
    if last is None:
        return [Finding("beat", False, "the reaper never ran", cure)]
    age_s = (datetime.now(UTC) - last.started_at).total_seconds()
    seen = f"the reaper ran {age_s:.0f} s ago: {last.outcome}"
    return [Finding("beat", age_s < SETTINGS.reaper_s * 3 + 10, seen, cure)]


def jobs() -> list[Finding]:
    """Report the maintenance jobs whose last run failed."""
    ended = JobRun.objects.exclude(outcome=JobRun.Outcome.RUNNING).order_by("-started_at")
    try:
        last = [ended.filter(job=name).first() for name in names(SETTINGS)]
    except DatabaseError:
        return []  # the database check reports this
    return [
        Finding(f"job {run.job}", False, f"it failed: {run.summary.get('error', '')}", f"See /upkeep/{run.job}/.")
        for run in last
        if run is not None and run.outcome == JobRun.Outcome.FAILED
    ]
