"""``aiops chat`` and ``aiops runs follow``: a run live in the terminal, plain text when piped, JSON when asked."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from aiops.terminal.acting import FAILED, INTERRUPTED, OK, complain
from aiops.terminal.client import CallFailed, Client
from aiops.terminal.text import printable, step_name


def run(client: Client, message: str | None, *, conversation: str | None, model: str | None, as_json: bool) -> int:
    """Ask one message, or talk; return the exit code."""
    if message is None and not sys.stdin.isatty():
        message = sys.stdin.read().strip()
        if not message:
            return complain("there is no message: give one, or pipe one in.")
    if message is not None:
        return _ask(client, message, conversation=conversation, model=model, as_json=as_json)[0]
    if as_json:
        return complain("--json needs a MESSAGE.")
    return _talk(client, conversation=conversation, model=model)


def follow(client: Client, run_id: str) -> int:
    """Show a run from its beginning; Ctrl-C leaves it running."""
    try:
        return _Show().all(client, run_id)
    except CallFailed as failed:
        return complain(failed)
    except KeyboardInterrupt:
        print(f"\nThe run goes on: aiops runs follow {run_id}", file=sys.stderr)
        return INTERRUPTED


def _talk(client: Client, *, conversation: str | None, model: str | None) -> int:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import InMemoryHistory

    session: PromptSession[str] = PromptSession(history=InMemoryHistory())
    print("Ask away. Ctrl-C stops an answer, Ctrl-D ends.")
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
    """Ask and show; return (exit code, the conversation to go on with)."""
    asked = {"message": message, "conversation": conversation, "model": model}
    try:
        accepted = client.post("/api/chat/", {name: value for name, value in asked.items() if value is not None})
        conversation = accepted["conversation"]
        run_id = accepted["run"]["id"]
        try:
            code = _silent(client, run_id) if as_json else _Show().all(client, run_id)
        except KeyboardInterrupt:
            code = _stop(client, run_id)
    except CallFailed as failed:
        return complain(failed), conversation
    if sys.stdout.isatty() and not as_json:
        print()
    return code, conversation


def _silent(client: Client, run_id: str) -> int:
    for _ in client.events(run_id):
        pass
    shown = client.get(f"/api/runs/{run_id}/")
    print(json.dumps(shown, indent=2, ensure_ascii=False))
    return OK if shown["state"] == "succeeded" else FAILED


def _stop(client: Client, run_id: str) -> int:
    """Ask the server to stop the run, and wait for the state it really got."""
    print("\nStopping the run…", file=sys.stderr)
    try:
        client.post(f"/api/runs/{run_id}/cancel/")
    except CallFailed as failed:  # it may have ended just now
        return complain(failed)
    state = client.get(f"/api/runs/{run_id}/", wait=15)["state"]
    print(f"The run is {state}.", file=sys.stderr)
    return INTERRUPTED


class _Show:
    """Writes the answer to standard output as it comes, and everything else to standard error."""

    def __init__(self) -> None:
        self._side = Console(stderr=True, highlight=False)
        self._written = ""
        self._tools: dict[str, str] = {}

    def all(self, client: Client, run_id: str) -> int:
        """Show every event; return the exit code."""
        code = FAILED
        for event in client.events(run_id):
            code = self._one(event.type, event.data, code)
        return code

    def _one(self, kind: str, data: dict[str, Any], code: int) -> int:
        match kind:
            case "message.delta":
                self._write(data["text"])
            case "message.reset" if self._written:
                self._write("\n")
                self._note("The answer begins again:")
                self._written = ""
            case "message.completed":
                self._write(data["text"][len(self._written) :] if data["text"].startswith(self._written) else "")
                self._write("" if self._written.endswith("\n") else "\n")
            case "tool.started":
                name = step_name(data)
                self._tools[data["call_id"]] = name
                self._note(f"→ {name} {json.dumps(data['arguments'], ensure_ascii=False)[:200]}")
            case "tool.finished":
                mark = "✓" if data["status"] == "ok" else "✗"
                self._note(f"{mark} {self._tools.get(data['call_id'], 'tool')} {data['ms']:.0f} ms")
            case "run.queued" if data["ahead"]:
                self._note(f"Waiting behind {data['ahead']} of yours…")
            case "run.requeued":
                self._note("The worker was lost; another goes on…")
            case "notice":
                self._note(data["text"])
            case "connection.lost":
                self._note("The connection is lost; trying again…")
            case "run.succeeded":
                return OK
            case "run.failed":
                self._end_line()
                error = data.get("error") or {}
                self._side.print(
                    f"[red]The run failed:[/] {escape(printable(error.get('detail', 'no reason is known')))}",
                    soft_wrap=True,
                )
            case "run.cancelled":
                self._end_line()
                self._note("The run was stopped.")
        return code

    def _write(self, text: str) -> None:
        self._written += text
        sys.stdout.write(printable(text))
        sys.stdout.flush()

    def _note(self, text: str) -> None:
        self._end_line()
        self._side.print(f"[dim]{escape(printable(text))}[/]", soft_wrap=True)

    def _end_line(self) -> None:
        if self._written and not self._written.endswith("\n"):
            self._write("\n")
