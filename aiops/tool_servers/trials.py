"""What people try by hand, and a worker does: a server that may not be saved yet, and a call of a tool that reads."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from aiops.events.redaction import Redactor
from aiops.settings import Settings
from aiops.tool_servers import specs
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.masking import Mask
from aiops.tool_servers.client.values import ServerSpec
from aiops.tool_servers.credentials import reading
from aiops.tool_servers.models import MCPServer, Tool
from aiops.tool_servers.offers import cleaned
from aiops.untrusted import clean

MAX_RESULT_CHARACTERS = 16_000
DELETED = "The tool was deleted meanwhile."
NOT_ACCEPTED = "It is not accepted: only tools that are used can be tried."
MAY_CHANGE = "It may change something, for its class is not read: only tools that read can be tried."


def test_server(arguments: dict[str, Any], settings: Settings) -> Coroutine[Any, Any, dict[str, Any]]:
    """Connect to a server that ``arguments`` describe, as the fields of a row: {ok, problem, tools}."""
    spec = specs.of_row(MCPServer(**arguments), settings, ignore_status=True)
    return _handshake(replace(spec, health_url=""), Redactor.from_settings(settings))


def try_tool(arguments: dict[str, Any], settings: Settings) -> Coroutine[Any, Any, dict[str, Any]]:
    """Call a tool that reads: ``arguments`` are {tool (id), arguments, user (id)}; {status, ms, result}."""
    row = Tool.objects.select_related("server").filter(pk=arguments["tool"]).first()
    if row is None:
        return _refused(DELETED)
    if row.status != Tool.Status.ACCEPTED or not row.pin:
        return _refused(NOT_ACCEPTED)
    if row.tool_class != Tool.Class.READ:
        return _refused(MAY_CHANGE)
    spec = specs.of_row(row.server, settings, ignore_status=True)
    if spec.personal and not spec.absent:
        spec = reading.server_of(row.server, arguments["user"], settings)
    limits = [spec.call_s or settings.tool_timeout_s, settings.tool_timeout_s, row.timeout_s or settings.tool_timeout_s]
    return _call(spec, row.name, row.pin, arguments["arguments"], min(limits), settings)


async def _handshake(spec: ServerSpec, redactor: Redactor) -> dict[str, Any]:
    (found,) = await probe.check_async([spec])
    shown = cleaned(found, redactor)
    return {"ok": not shown.problem, "problem": shown.problem, "tools": [tool.shown() for tool in shown.tools or ()]}


async def _refused(why: str) -> dict[str, Any]:
    return {"status": "error", "ms": 0.0, "result": why}


async def _call(
    spec: ServerSpec, tool: str, pin: str, given: dict[str, Any], call_s: float, settings: Settings
) -> dict[str, Any]:
    tried = await probe.call(spec, tool, given, pin=pin, call_s=call_s)
    text = Redactor.from_settings(settings).redact(clean(Mask(spec.credential).text(tried.result)))
    return {"status": tried.status, "ms": tried.ms, "result": text[:MAX_RESULT_CHARACTERS]}
