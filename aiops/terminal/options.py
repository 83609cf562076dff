"""Building blocks of commands: a connected client, a request checked before connecting, and actions on one object."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import click

from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import OK, report_failure
from aiops.terminal.listing import Row
from aiops.terminal.types import ID

T = TypeVar("T")
_id = click.argument("object_id", metavar="ID", type=ID)


def client_options(command: Callable[..., int | None]) -> Callable[..., NoReturn]:
    """Add ``--url``, and pass a ``client`` of that server; the command returns its exit code (None: 0).

    The context of the main group holds, as its ``obj``, the function that connects. A failed call ends the command with
    one sentence.
    """

    @click.option("--url", help="Server URL  [default: AIOPS_URL, or the one recorded in AIOPS_HOME]")
    @wraps(command)
    def run(*args: Any, url: str | None, **kwargs: Any) -> NoReturn:
        context = click.get_current_context()
        try:
            code = command(*args, client=context.obj(url), **kwargs) or OK
        except CallFailed as failed:
            code = report_failure(failed)
        context.exit(code)

    return run


def request_from(build: Callable[..., dict[str, Any]]) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Pass the command a ``request`` that ``build`` makes from its other parameters.

    Write it above ``client_options``, so that invalid parameters are refused before connecting.
    """

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @wraps(command)
        def run(*, url: str | None, **given: Any) -> T:
            return command(url=url, request=build(**given))

        return run

    return decorate


def action(group: click.Group, name: str, text: str, *, path: str, outcome: Callable[[str, Row], str]) -> None:
    """Add the command ``name ID``: it posts to ``{path}ID/name/`` and prints ``outcome(ID, response)``."""

    @group.command(name, help=text)
    @_id
    @client_options
    def command(client: Client, object_id: UUID) -> None:
        print(outcome(str(object_id), client.post(f"{path}{object_id}/{name}/")))


def deletion(group: click.Group, text: str, *, path: str) -> None:
    """Add the command ``delete ID`` for objects at ``path``."""

    @group.command("delete", help=text)
    @_id
    @client_options
    def command(client: Client, object_id: UUID) -> None:
        client.delete(f"{path}{object_id}/")
        print(f"{object_id}\tdeleted")
