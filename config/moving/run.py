"""One move from its checks to its last sentence."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from django.core.management import CommandError
from django.db import Error, connections, transaction
from django.db.migrations.exceptions import InconsistentMigrationHistory

from aiops.events.redaction import Redactor
from aiops.settings import Settings
from config import env, sqlite
from config.env import BadEnvironment
from config.local.home import Home, Unusable
from config.moving import copying, databases, marker, tables, verifying
from config.moving.databases import CannotMove
from config.moving.marker import Marker
from config.moving.tables import SOURCE, TARGET, DoesNotFit, Table

SHOWN_EVERY_S = 5.0
RIGHTS = "permission denied"


def run(*, to_home: bool) -> None:
    """Move, compare, and print what comes next; raises CannotMove."""
    settings = _settings()
    home, redact = Home(settings.home), Redactor.from_settings(settings).redact
    os.umask(0o077)
    try:
        if not to_home and not home.database.exists():
            raise CannotMove(f"There is no database in {home.path}: name the home with --home.")
        _find_key(settings, home, to_home=to_home)
        home.open()
        databases.set_up(settings, to_home=to_home)
        _move(settings, home, server=SOURCE if to_home else TARGET)
    except (Unusable, DoesNotFit) as problem:
        raise CannotMove(str(problem)) from problem
    except (Error, CommandError, InconsistentMigrationHistory) as error:
        raise CannotMove(_interrupted(redact(" ".join(str(error).split())))) from error
    finally:
        home.close()
    print(_next_for_home(home) if to_home else _next_for_server(settings, home))


def _settings() -> Settings:
    try:
        settings = env.read()
    except BadEnvironment as bad:
        raise CannotMove(" ".join(bad.problems)) from bad
    if not settings.database_url.get_secret_value().startswith("postgres"):
        raise CannotMove(
            "DATABASE_URL names no PostgreSQL: set it (or DATABASE_URL_FILE) to postgres://…, the server of the move "
            "in both directions."
        )
    return settings


def _find_key(settings: Settings, home: Home, *, to_home: bool) -> None:
    """Let a home use the servers' key, and servers the home's; raises CannotMove or Unusable."""
    key = settings.secret_key.get_secret_value()
    if key and not to_home:
        return
    if not to_home:
        if not home.secret_key.exists():
            raise CannotMove(f"{home.secret_key} is missing: set AIOPS_SECRET_KEY to the key that the home ran with.")
        os.environ["AIOPS_SECRET_KEY_FILE"] = str(home.secret_key)
    elif not key:
        raise CannotMove("AIOPS_SECRET_KEY is not set: set the one that the servers use; the home gets it too.")
    elif _is_storable(key) and home.secret_key.exists() and home.secret(home.secret_key) != key:
        raise CannotMove(f"{home.path} has another secret_key: name a new folder with --home.")
    ring = settings.encryption_keys.get_secret_value()
    if to_home and ring and home.encryption_keys.exists() and home.encryption_keys.read_text().strip() != ring:
        raise CannotMove(f"{home.path} has other encryption_keys: name a new folder with --home.")


def _is_storable(key: str) -> bool:
    """Whether the file of a home's key may hold this one."""
    return key.isascii() and key.isprintable() and " " not in key


def _move(settings: Settings, home: Home, *, server: str) -> None:
    try:
        databases.connect(server)
        databases.lock_server(server)
        databases.refuse_running(server, settings)
        databases.refuse_unfinished_source()
        databases.refuse_other_migrations(SOURCE)
        if server == SOURCE:
            if _is_storable(key := settings.secret_key.get_secret_value()):
                home.write(home.secret_key, key)
            if ring := settings.encryption_keys.get_secret_value():
                home.write(home.encryption_keys, ring)
            sqlite.make_first(home.database, home)
        groups = tables.groups()
        every = list(chain.from_iterable(groups))
        mark = _open_target(every)
        with _snapshot():
            _say(f"Moving {databases.name_of(SOURCE)} to {databases.name_of(TARGET)}.")
            progress = Progress()
            for group in groups:
                copying.copy(group, mark, progress.show)
            _compare(every, mark)
        databases.refuse_running(server, settings)
        with transaction.atomic(using=TARGET):
            copying.reset_sequences(every)
            connections[TARGET].check_constraints()
            mark.drop()
        if left := tables.strangers(every):
            _say(f"Not moved, because no installed package has them: {', '.join(left)}.")
    finally:
        connections.close_all()


def _open_target(every: list[Table]) -> Marker:
    """Return the marker of this move; the target is migrated, and empty unless the move was begun before."""
    source, mark = databases.name_of(SOURCE), Marker(connections[TARGET])
    if marker.exists(connections[TARGET]):
        if (other := mark.read(marker.SOURCE)) != source:
            raise CannotMove(
                f"{databases.name_of(TARGET)} holds an unfinished move from {other}: run that one again, or use a new "
                "database or home."
            )
        databases.refuse_other_migrations(TARGET)
        if mark.read(marker.STATE) != marker.DIFFERS:
            _say("Continuing the move that was interrupted.")
            return mark
        with transaction.atomic(using=TARGET):
            mark.drop()
            _begin(every, mark, source)
        return mark
    databases.refuse_data(every)
    databases.migrate_target()
    with transaction.atomic(using=TARGET):
        _begin(every, mark, source)
    return mark


def _begin(every: list[Table], mark: Marker, source: str) -> None:
    mark.create(source)  # first: the audit log lets its rows be removed from an unfinished target only
    copying.empty(every)


@contextmanager
def _snapshot() -> Iterator[None]:
    """Read one moment of the source, and on SQLite keep others from writing to it."""
    with transaction.atomic(using=SOURCE):
        if connections[SOURCE].vendor == "postgresql":
            with connections[SOURCE].cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _compare(every: list[Table], mark: Marker) -> None:
    """Print the rows of each table; raises CannotMove, and marks the move as failed, when the sides differ."""
    _say("Comparing both sides.")
    comparisons = []
    for table in every:
        comparisons.append(compared := verifying.compare(table))
        if compared.source.rows:
            _say(f"{table.name}: {compared.source.rows:,} rows compared")
    print(verifying.report(comparisons))
    differing = [one.table for one in comparisons if not one.is_equal]
    if differing:
        mark.write(marker.STATE, marker.DIFFERS)
        raise CannotMove(
            f"Source and target differ in {', '.join(differing)}: was the source in use since the move began? "
            "The target stays unusable; run this again, and it starts from the beginning."
        )


class Progress:
    """Shows a table when it is complete, and a long one every few seconds."""

    def __init__(self) -> None:
        self._shown_at = time.monotonic()

    def show(self, table: str, copied: int, total: int) -> None:
        if copied >= total or time.monotonic() - self._shown_at > SHOWN_EVERY_S:
            _say(f"{table}: {copied:,} of {total:,} rows")
            self._shown_at = time.monotonic()


def _interrupted(reason: str) -> str:
    cure = "Correct that and run this again: it continues where it was."
    if RIGHTS in reason:
        cure = "Let the role of DATABASE_URL own the database, or grant it CREATE on the schema, and run this again."
    return f"The move was interrupted ({reason}). {cure}"


def _next_for_server(settings: Settings, home: Home) -> str:
    key = settings.secret_key.get_secret_value()
    if not home.secret_key.exists():
        first = "Keep AIOPS_SECRET_KEY as it is"
    elif key and key == home.secret_key.read_text().strip():
        first = f"AIOPS_SECRET_KEY is the content of {home.secret_key}: keep it"
    else:
        first = f"Set AIOPS_SECRET_KEY to the content of {home.secret_key}"
        first += ", which it is not now" if key else ""
    return (
        f"Moved, and both sides are equal.\n"
        f"- {first}: with another key everybody has to sign in again, and webhooks are signed differently.\n"
        f"{_ring_for_server(settings, home)}"
        f"- Tokens stay valid; the home's own is in {home.token}.\n"
        f"- Start web, workers and beat. Keep the home stopped, or what was unfinished is answered twice.\n"
        f"- Agents' memory does not move: it is rebuilt from the transcript."
    )


def _ring_for_server(settings: Settings, home: Home) -> str:
    """Return the line about the keys of stored secrets; empty when there is nothing to do."""
    if not home.encryption_keys.exists():
        return ""
    if settings.encryption_keys.get_secret_value() == home.encryption_keys.read_text().strip():
        return ""
    return (
        f"- Set AIOPS_ENCRYPTION_KEYS to the content of {home.encryption_keys}: stored secrets are lost without it.\n"
    )


def _next_for_home(home: Home) -> str:
    key = f"The key is in {home.secret_key}" if home.secret_key.exists() else "Keep AIOPS_SECRET_KEY as it is"
    return (
        f"Moved, and both sides are equal. {key}.\n"
        f"- Start it, without DATABASE_URL, REDIS_URL and CELERY_BROKER_URL in the environment:\n"
        f"  aiops up --home {shlex.quote(str(home.path))}\n"
        f"- Keep the servers' web, workers and beat stopped, or what was unfinished is answered twice.\n"
        f"- Agents' memory does not move: it is rebuilt from the transcript."
    )


def _say(text: str) -> None:
    print(f"aiops: {text}", file=sys.stderr, flush=True)
