"""The two databases of a move: their set-up, and the reasons for which they are refused."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

import click
import django
import redis
from django.core.management import call_command
from django.db import DatabaseError, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model, QuerySet

from aiops import dispatch, keyspace
from aiops.settings import Settings
from config import upgrade
from config.moving import marker
from config.moving.tables import SOURCE, TARGET, Table

SETTLE_S = 5.0
"""A server that was just stopped, or a move that was killed, may still have a connection for a moment."""
POLL_S = 0.2
LOCK = 0x61696F7073
"""Number of the advisory lock that one move at a time holds on PostgreSQL."""
OTHERS = """
SELECT coalesce(nullif(application_name, ''), 'unnamed') FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
AND usename = current_user
"""
MADE_BY_ITSELF = (
    "contenttypes.contenttype",
    "auth.permission",
    "sessions.session",
    "maintenance.jobrun",
    "llm.tablesversion",
    "llm.providerhealth",
)
"""Tables, beside those of django-celery-beat, that have rows without anybody's doing."""
MADE_BY_MIGRATION: dict[str, dict[str, Any]] = {
    "tool_servers.mcpserver": {"name": "host"},
    "chains.middlewaretype": {"is_custom": False},
    "auth.group": {"name": "approvers"},
}
"""Tables in which some rows are made by nobody: which ones."""


class CannotMove(click.ClickException):
    """The move is not possible or not complete; the message names the cure."""


def set_up(settings: Settings, *, to_home: bool) -> None:
    """Set up Django with both databases; each has one connection."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from config import settings as module

    server, home = module.database(settings.database_url.get_secret_value()), module.database("")
    server["OPTIONS"].pop("pool", None)
    module.DATABASES = {SOURCE: server, TARGET: home} if to_home else {SOURCE: home, TARGET: server}
    django.setup()


def name_of(alias: str) -> str:
    """Return a database's address without its password."""
    entry = connections[alias].settings_dict
    if connections[alias].vendor == "sqlite":
        return "sqlite:///" + unquote(str(entry["NAME"]).removeprefix("file:").removesuffix("?mode=rw"))
    port = f":{entry['PORT']}" if entry["PORT"] else ""
    return f"postgres://{entry['HOST']}{port}/{entry['NAME']}"


def connect(alias: str) -> None:
    """Open the connection; raises CannotMove."""
    try:
        connections[alias].ensure_connection()
    except DatabaseError as error:
        raise CannotMove(
            f"{name_of(alias)} cannot be reached ({_line(error)}): correct DATABASE_URL, or start that server."
        ) from error


def lock_server(alias: str) -> None:
    """Take the server's lock for this connection; raises CannotMove when another move holds it."""
    until = time.monotonic() + SETTLE_S
    with connections[alias].cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = 0")  # the other side may be slow
        while True:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [LOCK])
            row = cursor.fetchone()
            if row and row[0]:
                return
            if time.monotonic() > until:
                raise CannotMove(f"Another move uses {name_of(alias)}: wait until it has ended.")
            time.sleep(POLL_S)


def refuse_running(alias: str, settings: Settings) -> None:
    """Raise CannotMove while web, workers or beat use the server."""
    until = time.monotonic() + SETTLE_S
    while users := _users(alias):
        if time.monotonic() > until:
            raise CannotMove(
                f"{name_of(alias)} is in use by {len(users)} other connections ({', '.join(sorted(set(users)))}): "
                "stop web, workers, beat and whatever else is connected as this role, and run this again."
            )
        time.sleep(POLL_S)
    url = settings.redis_url.get_secret_value()
    if not url:
        return
    try:
        alive = {queue: keyspace.live_workers(queue) for queue in dispatch.RUN_QUEUES}
    except redis.RedisError:
        return  # the workers need it as much as PostgreSQL, whose connections were counted above
    if any(alive.values()):
        queues = ", ".join(queue for queue, count in alive.items() if count)
        raise CannotMove(
            f"Workers are running ({queues}), as REDIS_URL shows: stop web, workers and beat, and run this again "
            f"{keyspace.SILENT_S:g} s later."
        )


def refuse_other_migrations(alias: str) -> None:
    """Raise CannotMove or Unusable when a database has other migrations than this version."""
    upgrade.refuse_unknown(alias)
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        missing = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan[: upgrade.SHOWN])
        more = f" and {len(plan) - upgrade.SHOWN} more" if len(plan) > upgrade.SHOWN else ""
        cure = (
            "start it once with this version (aiops up) and stop it"
            if connections[alias].vendor == "sqlite"
            else "run aiops manage migrate with this version"
        )
        raise CannotMove(f"{name_of(alias)} lacks {missing}{more}: {cure}, or move with the version that made it.")


def refuse_unfinished_source() -> None:
    """Raise CannotMove when the source is itself the target of an unfinished move."""
    if marker.exists(connections[SOURCE]):
        origin = marker.Marker(connections[SOURCE]).read(marker.SOURCE)
        raise CannotMove(
            f"{name_of(SOURCE)} holds an unfinished move from {origin}: finish that one, or move from there."
        )


def refuse_data(all_tables: Iterable[Table]) -> None:
    """Raise CannotMove when the target holds rows that somebody made."""
    present = set(connections[TARGET].introspection.table_names())
    for table in all_tables:
        if table.name in present and (count := _made_by_people(table.model)):
            raise CannotMove(
                f"{name_of(TARGET)} is not empty: {table.name} has {count} rows. Nothing was changed: use a new "
                "database or home."
            )


def migrate_target() -> None:
    """Create or upgrade the target's tables."""
    call_command("migrate", database=TARGET, verbosity=0, interactive=False)


def _made_by_people(model: type[Model]) -> int:
    rows: QuerySet[Model] = QuerySet(model, using=TARGET)
    label = model._meta.label_lower
    if label in MADE_BY_ITSELF or model._meta.app_label == "django_celery_beat":
        return 0
    if label in MADE_BY_MIGRATION:
        rows = rows.exclude(**MADE_BY_MIGRATION[label])
    return rows.count()


def _users(alias: str) -> list[str]:
    with connections[alias].cursor() as cursor:
        cursor.execute(OTHERS)
        return [str(row[0]) for row in cursor.fetchall()]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
