"""Commands for installations: probe, env check, flower."""

from __future__ import annotations

import os
import sys
from typing import IO

import click

PORT = click.IntRange(1, 65535)


@click.command()
@click.argument("kind", type=click.Choice(["web", "worker", "beat"]))
@click.option("--port", type=PORT, envvar="PORT", default=8000, show_default=True, help="Of web.")
def probe(kind: str, port: int) -> None:
    """Exit with 0 if the web, all workers or beat of this host work, with 1 and the reason if not.

    Cheap: for health checks of containers. `aiops doctor` looks at everything.
    """
    from config.deployment import probing

    if problem := probing.problem(kind, port=port):
        raise click.ClickException(problem)


@click.group()
def env() -> None:
    """Check the variables of an installation."""


@env.command()
@click.argument("file", type=click.File("rb"), required=False)
def check(file: IO[bytes] | None) -> None:
    """Say what is wrong or missing in FILE (such as .env; - reads standard input), or in the environment.

    Values are not printed.
    """
    from config.deployment import checking

    found = checking.problems(file.read() if file else None)
    for problem in found:
        print(f"  - {problem}")
    if found:
        raise click.ClickException(f"{len(found)} {'problem' if len(found) == 1 else 'problems'} in the variables.")
    print("The variables are complete and can be read. `aiops doctor` says whether the servers answer.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, help="Port to listen on.  [default: FLOWER_PORT or 5555]")
@click.pass_context
def flower(context: click.Context, host: str, port: int | None) -> None:
    """Run Flower, read-only, behind the user and password of FLOWER_BASIC_AUTH."""
    from config import env as environment
    from config.local import processes

    environment.forget_service_links()
    user, _, password = os.environ.get("FLOWER_BASIC_AUTH", "").partition(":")
    if not user.strip() or not password.strip():
        raise click.ClickException(
            "set FLOWER_BASIC_AUTH=user:password: without a password, everybody could see what Flower shows."
        )
    sys.stdout.flush()
    port = port or PORT(os.environ.get("FLOWER_PORT") or "5555", ctx=context)
    command = processes.flower(port, host=host)
    os.execv(command[0], command)  # noqa: S606  (our own command)
