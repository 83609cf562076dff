"""Live view of a run: the answer goes to standard output as it arrives, everything else to standard error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console
from rich.markup import escape

from aiops.events import types
from aiops.terminal.client import Client
from aiops.terminal.exit_codes import FAILED, OK
from aiops.terminal.text import printable, step_name


def watch(client: Client, run_id: str) -> int:
    """Show a run until it ends; return the exit code. Raises CallFailed."""
    view, code = _View(), FAILED
    for event in client.events(run_id):
        view.show(event.type, event.data)
        if event.type == types.SUCCEEDED:
            code = OK
    return code


class _View:
    """Prints events; it remembers the answer so far and the names of running tools."""

    def __init__(self) -> None:
        self._side = Console(stderr=True, highlight=False)
        self._written = ""
        self._tools: dict[str, str] = {}

    def show(self, kind: str, data: dict[str, Any]) -> None:
        """Print one event; types that are not listed here print nothing."""
        match kind:
            case types.DELTA:
                self._write(data["text"])
            case types.RESET if self._written:
                self._write("\n")
                self._note("The answer starts again:")
                self._written = ""
            case types.COMPLETED:
                self._write(data["text"][len(self._written) :] if data["text"].startswith(self._written) else "")
                self._write("" if self._written.endswith("\n") else "\n")
            case types.TOOL_STARTED:
                name = step_name(data)
                self._tools[data["call_id"]] = name
                self._note(f"→ {name} {json.dumps(data['arguments'], ensure_ascii=False)[:200]}")
            case types.TOOL_PROGRESS:
                far = f"{data['progress']:g}" + (f" of {data['total']:g}" if data.get("total") else "")
                self._note(f"… {self._tools.get(data['call_id'], 'tool')} {far} {data.get('text', '')}".rstrip())
            case types.TOOL_FINISHED:
                mark = "✓" if data["status"] == "ok" else "✗"
                self._note(f"{mark} {self._tools.get(data['call_id'], 'tool')} {data['ms']:.0f} ms")
            case types.QUEUED if data["ahead"]:
                self._note(f"Waiting behind {data['ahead']} of yours…")
            case types.WAITING_APPROVAL:
                self._end_line()
                shown = f"aiops approvals show {data['approval']}"
                self._side.print(f"[yellow]It waits for a decision:[/] {escape(shown)}", soft_wrap=True)
            case types.APPROVAL_DECIDED if all(item["state"] != "pending" for item in data["items"]):
                self._note("It was decided; the run goes on…")
            case types.REQUEUED:
                self._note("The worker was lost; another one continues…")
            case types.NOTICE:
                self._note(data["text"])
            case Client.CONNECTION_LOST:
                self._note("The connection was lost; reconnecting…")
            case types.FAILED:
                self._end_line()
                error = data.get("error") or {}
                why = escape(printable(error.get("detail", "unknown reason")))
                self._side.print(f"[red]The run failed:[/] {why}", soft_wrap=True)
            case types.CANCELLED:
                self._end_line()
                self._note("The run was stopped.")

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
