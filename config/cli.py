"""The command line; imports happen when a command is called, so that each command starts fast."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
from click.exceptions import NoArgsIsHelpError

from aiops import __version__
from aiops.terminal.text import use_utf8
from config.commands import Commands
from config.deployment.cli import env, flower, probe
from config.local.cli import backup, logs, restore, support_bundle
from config.moving.cli import move

if TYPE_CHECKING:
    from aiops.terminal.client import Client


def connect(url: str | None) -> Client:
    """Return a client of ``url``, AIOPS_URL or the home's server; raises CallFailed."""
    from config import client

    return client.connect(url)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "obj": connect})
@click.version_option(__version__, prog_name="aiops")
def main() -> None:
    """aiops: an operations assistant. Start with `aiops up`."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the web pages and API."
)
@click.option(
    "--home",
    help="Folder for all files  [default: AIOPS_HOME or .aiops]",
)
@click.option("--flower", is_flag=True, help="Also start Flower, read-only, behind a password.")
@click.option("--flower-port", default=5555, show_default=True, type=click.IntRange(1, 65535), help="Port of Flower.")
def up(host: str, port: int, home: str | None, flower: bool, flower_port: int) -> None:
    """Start everything on this machine and supervise it until Ctrl-C."""
    if home is not None:
        if not home.strip():
            raise click.UsageError("--home is empty: name a folder.")
        os.environ["AIOPS_HOME"] = home
    from config import env
    from config.local.up import Options, Up

    sys.exit(Up(env.load(), Options(host, port, flower, flower_port)).run())


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Run a Django command, such as `changepassword`, on the home's data."""
    from config import management

    management.execute(["aiops manage", *arguments])


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Check each part; print the findings and their cures."""
    from config import management

    management.use_home()
    os.environ["LOG_LEVEL"] = "ERROR"  # logs of the checked parts would hide the findings
    from config.doctor import examination

    sys.exit(examination.run(as_json=as_json))


for command in (backup, env, flower, logs, move, probe, restore, support_bundle):
    main.add_command(command)


def run() -> None:
    """Run the command line; a closed pipe or a full disk ends it without a traceback."""
    use_utf8(sys.stdin, sys.stdout, sys.stderr)
    try:
        try:
            sys.exit(main(prog_name="aiops", standalone_mode=False))
        except NoArgsIsHelpError as error:
            error.show()  # the help of a group that was called without a command
            sys.exit(error.exit_code)
        except click.ClickException as error:
            print(f"aiops: {_sentence(error)}", file=sys.stderr)
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(130)
        finally:
            sys.stdout.flush()  # a failure at the interpreter's exit could not be reported
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"aiops: {error}")


def _sentence(error: click.ClickException) -> str:
    """Return the message of an error, and which command shows the help."""
    text = " ".join(error.format_message().split()).replace("'?.", "'?")
    names_value = isinstance(error, click.BadParameter) and not isinstance(error, click.MissingParameter)
    if names_value or not isinstance(error, click.UsageError) or error.ctx is None:
        return text
    return f"{text} Help: {error.ctx.command_path} --help"


if __name__ == "__main__":
    run()
