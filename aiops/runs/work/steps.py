"""The steps of a run as JSON: one for each call of a tool."""

from __future__ import annotations

import json
from typing import Any

from aiops.agent.ports import UNKNOWN, Earlier
from aiops.approvals.values import Permit, PlannedCall
from aiops.events import types
from aiops.events.redaction import Redactor
from aiops.tool_servers.client.values import Progress, RemoteTool

PREVIEW_BYTES = 2_000
ARGUMENTS_BYTES = 8_000


def new(
    call_id: str, tool: RemoteTool | None, name: str, arguments: dict[str, Any], redactor: Redactor
) -> dict[str, Any]:
    """Return the step of a call that begins."""
    return {
        "call_id": call_id,
        "name": name,
        "server": tool.server if tool else "",
        "tool": tool.remote_name if tool else name,
        "arguments": bounded(redactor.redact_json(arguments)),
        "status": "running",
        "ms": None,
        "preview": "",
    }


def refused(call: PlannedCall, permit: Permit, redactor: Redactor) -> dict[str, Any]:
    """Return the step of a call that is not made, with what the model reads of it."""
    text = redactor.redact(permit.refusal or permit.answer or "")
    return {
        **new(call.call_id, call.tool, call.name, call.arguments, redactor),
        "status": "error" if permit.refusal else "ok",
        "safe": False,  # what was decided must not be asked again
        "ms": 0.0,
        "preview": types.cut(text, max_bytes=PREVIEW_BYTES),
        "result": text,
        "refused": True,
    }


def earlier(step: dict[str, Any]) -> Earlier:
    """Return the outcome of a call of an earlier attempt, from the run's row."""
    if step["status"] in ("ok", "error"):
        return Earlier(step["status"], step["result"], of_tool=not step.get("refused"))
    return Earlier("unknown", UNKNOWN, of_tool=False)


def progressed(call_id: str, progress: Progress) -> dict[str, Any]:
    """Return the data of an event, with what the server said."""
    shown = {"call_id": call_id, "progress": progress.progress, "total": progress.total, "text": progress.text}
    return {name: value for name, value in shown.items() if value not in (None, "")}


def bounded(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return arguments small enough for an event; larger ones as their truncated JSON."""
    written = json.dumps(arguments, ensure_ascii=False, default=str)
    if len(written.encode()) <= ARGUMENTS_BYTES:
        return arguments
    return {"cut": types.cut(written, max_bytes=ARGUMENTS_BYTES)}
