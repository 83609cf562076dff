"""The command line; each command imports what it needs when it is called, so that all of them start fast."""

from __future__ import annotations

import os
import sys
from uuid import UUID

import click

from aiops import __version__
from config.cli_batch import batch
from config.cli_home import backup, logs, restore, support_bundle
from config.cli_options import client_options
from config.cli_schedule import schedule
from config.cli_tools import tools
from config.cli_webhooks import webhooks


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="aiops")
def main() -> None:
    """aiops: an operations assistant. Begin with `aiops up`."""


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port of the web pages and API."
)
@click.option(
    "--home",
    help="Folder for everything that is written  [default: AIOPS_HOME or .aiops]",
)
@click.option("--flower", is_flag=True, help="Also start Flower, read-only, behind a password.")
@click.option("--flower-port", default=5555, show_default=True, type=click.IntRange(1, 65535), help="Port of Flower.")
def up(host: str, port: int, home: str | None, flower: bool, flower_port: int) -> None:
    """Start everything on this machine and watch over it until Ctrl-C."""
    if home is not None:
        if not home.strip():
            raise click.UsageError("--home is empty: name a folder.")
        os.environ["AIOPS_HOME"] = home
    from config import env
    from config.up import Options, Up

    sys.exit(Up(env.load(), Options(host, port, flower, flower_port)).run())


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def manage(arguments: tuple[str, ...]) -> None:
    """Django's commands, such as `changepassword` or `createsuperuser`, on the home's data."""
    from config import management

    management.execute(["aiops manage", *arguments])


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> None:
    """Look at each part: what was seen, and the cure."""
    from config import management

    management.use_home()
    os.environ["LOG_LEVEL"] = "ERROR"  # what the parts log would only blur the findings
    from config.doctor import examination

    sys.exit(examination.run(as_json=as_json))


@main.command()
@click.argument("message", required=False)
@click.option("--conversation", metavar="ID", type=click.UUID, help="Go on with this conversation.")
@click.option("--model", help="Ask this model instead of the default.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON when it has ended.")
@client_options
def chat(message: str | None, conversation: UUID | None, model: str | None, as_json: bool, url: str | None) -> None:
    """Ask MESSAGE and watch the answer; without one, talk (Ctrl-D ends)."""
    from aiops.terminal import chat as terminal
    from config.client import connect

    known = str(conversation) if conversation else None
    sys.exit(terminal.run(connect(url), message, conversation=known, model=model, as_json=as_json))


@main.group()
def runs() -> None:
    """List, show, follow and cancel runs."""


@runs.command("list")
@click.option("--state", type=click.Choice(["queued", "running", "succeeded", "failed", "cancelled"]))
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@click.option("--json", "as_json", is_flag=True)
@client_options
def runs_list(state: str | None, limit: int, as_json: bool, url: str | None) -> None:
    """Your runs, the newest first."""
    from aiops.terminal import runs as terminal
    from config.client import connect

    sys.exit(terminal.list_(connect(url), state=state, limit=limit, as_json=as_json))


@runs.command("show")
@click.argument("run_id", type=click.UUID)
@click.option("--json", "as_json", is_flag=True)
@client_options
def runs_show(run_id: UUID, as_json: bool, url: str | None) -> None:
    """One run: its state, steps, answer and timings."""
    from aiops.terminal import runs as terminal
    from config.client import connect

    sys.exit(terminal.show(connect(url), str(run_id), as_json=as_json))


@runs.command("follow")
@click.argument("run_id", type=click.UUID)
@client_options
def runs_follow(run_id: UUID, url: str | None) -> None:
    """Watch a run, from its beginning to its end; Ctrl-C leaves it running."""
    from aiops.terminal import chat as terminal
    from config.client import connect

    sys.exit(terminal.follow(connect(url), str(run_id)))


@runs.command("cancel")
@click.argument("run_ids", nargs=-1, required=True, type=click.UUID)
@client_options
def runs_cancel(run_ids: tuple[UUID, ...], url: str | None) -> None:
    """Stop runs."""
    from aiops.terminal import runs as terminal
    from config.client import connect

    sys.exit(terminal.cancel(connect(url), [str(one) for one in run_ids]))


for command in (backup, batch, logs, restore, schedule, support_bundle, tools, webhooks):
    main.add_command(command)


def run() -> None:
    """Run the command line; a reader that went away or a full disk ends it without a traceback."""
    try:
        try:
            main(standalone_mode=True)
        finally:
            sys.stdout.flush()  # here its failure can be told; at the interpreter's end it could not
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"aiops: {error}")


if __name__ == "__main__":
    run()
