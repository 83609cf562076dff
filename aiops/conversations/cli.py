"""``aiops chat``: send a message, with what is piped in, and follow its answer; or chat interactively."""

from __future__ import annotations

import sys
from typing import Any
from uuid import UUID

import click

from aiops.attachments import decoding
from aiops.attachments.limits import MAX_BYTES
from aiops.runs.states import State
from aiops.terminal import listing, live, piped
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.exit_codes import FAILED, INTERRUPTED, OK, report_failure
from aiops.terminal.options import client_options
from aiops.terminal.text import written
from aiops.terminal.types import ID

MAX_MESSAGE_BYTES = 65_536
"""Of a message from standard input: servers take no larger body, unless they are set to, and fewer bytes by default."""
NO_MESSAGE = "there is no message: give one, or pipe one in."


@click.command()
@click.argument("message", required=False)
@click.option("--conversation", metavar="ID", type=ID, help="Continue this conversation.")
@click.option("--model", help="Use this model instead of the default.")
@click.option("--no-stdin", is_flag=True, help="Do not read what is piped in.")
@click.option("--json", "as_json", is_flag=True, help="Print the run as JSON when it has ended.")
@client_options
def chat(
    client: Client, message: str | None, conversation: UUID | None, model: str | None, no_stdin: bool, as_json: bool
) -> int:
    """Send MESSAGE and follow the answer; without one, chat interactively (Ctrl-D ends).

    Text that is piped in is attached to MESSAGE: journalctl -u nginx | aiops chat "what happened?". Use --no-stdin in a
    loop that reads standard input itself. Instead of a MESSAGE, - reads it from standard input.
    """
    known = str(conversation) if conversation else None
    is_piped = piped.is_there() and not no_stdin
    if message is None and not is_piped and not no_stdin and sys.stdin is not None:
        if as_json:
            return report_failure("--json needs a MESSAGE.")
        return _talk(client, conversation=known, model=model)
    attachments: list[str] = []
    try:
        if message is None or message == "-":
            text = _piped_message() if is_piped else ""
        elif (text := written(message)).strip() and is_piped:
            attachments = _attach_piped(client)
    except decoding.NotText as error:
        return report_failure(f"standard input cannot be sent. {error}")
    if not text.strip():
        return report_failure(NO_MESSAGE)
    fields = {"conversation": known, "model": model, "attachments": attachments or None}
    return _ask(client, text, fields, as_json=as_json)[0]


def _piped_message() -> str:
    """Return the message on standard input; raises CallFailed or NotText."""
    came = piped.read(max_bytes=MAX_MESSAGE_BYTES)
    if came.size > MAX_MESSAGE_BYTES:
        raise CallFailed(
            f"the message on standard input has {came.size:,} bytes, which is too long: give a question as MESSAGE, "
            "then what is piped in is attached to it."
        )
    return decoding.decode(came.last).strip()


def _attach_piped(client: Client) -> list[str]:
    """Upload what is piped in, or its end; return the attachment's id, if any. Raises CallFailed or NotText."""
    came = piped.read(max_bytes=MAX_BYTES)
    content, skipped = came.last, came.size - len(came.last)
    if not came.size:
        return []
    if skipped:
        content = decoding.decode_end(content, start=came.start, skipped=skipped, max_bytes=MAX_BYTES).encode()
        print(
            f"aiops: standard input has {came.size:,} bytes, more than an attachment may have: only its last "
            f"{len(content):,} are attached.",
            file=sys.stderr,
        )
    decoding.decode(content)
    return [client.send_file("/api/attachments/", "stdin", content)["id"]]


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
            _, conversation = _ask(client, message, {"conversation": conversation, "model": model}, as_json=False)


def _ask(client: Client, message: str, options: dict[str, Any], *, as_json: bool) -> tuple[int, str | None]:
    """Send a message and show the answer; return (exit code, conversation to continue)."""
    fields = {"message": message, **{name: value for name, value in options.items() if value is not None}}
    conversation: str | None = options["conversation"]
    try:
        accepted = client.post("/api/chat/", fields)
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
