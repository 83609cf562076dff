"""``aiops chat``: send a message and follow its answer, or chat interactively."""

from __future__ import annotations

import sys
from uuid import UUID

import click

from aiops.runs.states import State
from aiops.terminal import listing, live
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import FAILED, INTERRUPTED, OK, report_failure
from aiops.terminal.options import client_options
from aiops.terminal.text import written
from aiops.terminal.types import ID


@click.command()
@click.argument("message", required=False)
@click.option("--conversation", metavar="ID", type=ID, help="Continue this conversation.")
@click.option("--model", help="Use this model instead of the default.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON when it has ended.")
@client_options
def chat(client: Client, message: str | None, conversation: UUID | None, model: str | None, as_json: bool) -> int:
    """Send MESSAGE and follow the answer; without one, chat interactively (Ctrl-D ends)."""
    known = str(conversation) if conversation else None
    if message is None and sys.stdin.isatty():
        if as_json:
            return report_failure("--json needs a MESSAGE.")
        return _talk(client, conversation=known, model=model)
    text = sys.stdin.read().strip() if message is None else written(message)
    if not text.strip():
        return report_failure("there is no message: give one, or pipe one in.")
    return _ask(client, text, conversation=known, model=model, as_json=as_json)[0]


def _talk(client: Client, *, conversation: str | None, model: str | None) -> int:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    print("Type a message. Ctrl-C stops an answer, Ctrl-D ends.")
    while True:
        try:
            message = session.prompt("you › ").strip()
        except EOFError:
            return OK
        except KeyboardInterrupt:
            continue
        if message:
            _, conversation = _ask(client, message, conversation=conversation, model=model, as_json=False)


def _ask(
    client: Client, message: str, *, conversation: str | None, model: str | None, as_json: bool
) -> tuple[int, str | None]:
    """Send a message and show the answer; return (exit code, conversation to continue)."""
    fields = {"message": message, "conversation": conversation, "model": model}
    try:
        accepted = client.post("/api/chat/", {name: value for name, value in fields.items() if value is not None})
        conversation = accepted["conversation"]
        run_id = accepted["run"]["id"]
        try:
            code = _wait(client, run_id) if as_json else live.watch(client, run_id)
        except KeyboardInterrupt:
            code = _stop(client, run_id)
    except CallFailed as failed:  # reported here: an interactive chat goes on
        return report_failure(failed), conversation
    if sys.stdout.isatty() and not as_json:
        print()
    return code, conversation


def _wait(client: Client, run_id: str) -> int:
    """Wait for the run's end without showing its steps, and print it as JSON."""
    for _ in client.events(run_id):
        pass
    run = client.get(f"/api/runs/{run_id}/")
    listing.dump(run)
    return OK if run["state"] == State.SUCCEEDED else FAILED


def _stop(client: Client, run_id: str) -> int:
    """Cancel the run and wait for its final state."""
    print("\nStopping the run…", file=sys.stderr)
    try:
        client.post(f"/api/runs/{run_id}/cancel/")
    except CallFailed as failed:  # it may have ended just now
        return report_failure(failed)
    state = client.get(f"/api/runs/{run_id}/", wait=15)["state"]
    print(f"The run is {state}.", file=sys.stderr)
    return INTERRUPTED
