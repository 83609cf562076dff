"""Commands of ``aiops move``; DATABASE_URL names the server in both directions, so that no password is an argument."""

from __future__ import annotations

import os

import click

_home = click.option("--home", help="Folder  [default: AIOPS_HOME or .aiops]")


@click.group()
def move() -> None:
    """Move all rows from one machine to PostgreSQL, or back.

    The home holds SQLite, and DATABASE_URL (or DATABASE_URL_FILE, or .env) names PostgreSQL. Both sides must be
    stopped. A move that was interrupted continues when it is run again.
    """


@move.command("to-postgresql")
@_home
def to_postgresql(home: str | None) -> None:
    """Copy a home's database into an empty one at DATABASE_URL."""
    _run(home, to_home=False)


@move.command("to-home")
@_home
def to_home(home: str | None) -> None:
    """Copy the database at DATABASE_URL into a new home."""
    _run(home, to_home=True)


def _run(home: str | None, *, to_home: bool) -> None:
    if home is not None:
        if not home.strip():
            raise click.UsageError("--home is empty: name a folder.")
        os.environ["AIOPS_HOME"] = home
    os.environ["LOG_LEVEL"] = "ERROR"  # the migrations' log would hide the progress
    from config.moving import run

    run.run(to_home=to_home)
