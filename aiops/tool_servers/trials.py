"""What people try by hand, and a worker does: a server that may not be saved yet, and a call of a tool that reads."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import asdict, replace
from typing import Any

from aiops.events.redaction import Redactor
from aiops.settings import Settings
from aiops.tool_servers import specs
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import ServerSpec
from aiops.tool_servers.models import MCPServer
from aiops.tool_servers.offers import cleaned
from aiops.untrusted import clean

MAX_RESULT_CHARACTERS = 16_000
DELETED = "The tool server was deleted meanwhile."


def test_server(arguments: dict[str, Any], settings: Settings) -> Coroutine[Any, Any, dict[str, Any]]:
    """Connect to a server that ``arguments`` describe, as the fields of a row: {ok, problem, tools}."""
    spec = specs.of_row(MCPServer(**arguments), settings, ignore_status=True)
    return _handshake(replace(spec, health_url=""), Redactor.from_settings(settings))


def try_tool(arguments: dict[str, Any], settings: Settings) -> Coroutine[Any, Any, dict[str, Any]]:
    """Call a tool that reads: ``arguments`` are {server (id), tool, arguments}; {status, ms, result}."""
    row = MCPServer.objects.filter(pk=arguments["server"]).first()
    spec = specs.of_row(row, settings, ignore_status=True) if row is not None else None
    return _call(spec, arguments["tool"], arguments["arguments"], settings)


async def _handshake(spec: ServerSpec, redactor: Redactor) -> dict[str, Any]:
    (found,) = await probe.check_async([spec])
    shown = cleaned(found, redactor)
    return {"ok": not shown.problem, "problem": shown.problem, "tools": [asdict(tool) for tool in shown.tools or ()]}


async def _call(spec: ServerSpec | None, tool: str, given: dict[str, Any], settings: Settings) -> dict[str, Any]:
    if spec is None:
        return {"status": "error", "ms": 0.0, "result": DELETED}
    call_s = min(spec.call_s or settings.tool_timeout_s, settings.tool_timeout_s)
    tried = await probe.call(spec, tool, given, call_s=call_s)
    text = Redactor.from_settings(settings).redact(clean(tried.result))
    return {"status": tried.status, "ms": tried.ms, "result": text[:MAX_RESULT_CHARACTERS]}
