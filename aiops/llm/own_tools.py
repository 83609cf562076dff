"""Tools that providers run themselves, such as web search: no approval stands before them, so none is ever used.

Models get the tools that aiops binds, and no others. Parameters of a model that would add some to its requests are
refused when they are saved, and by workers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiops.llm.handler import BaseLLMProviderHandler
from aiops.llm.providers import HANDLERS

OFF = "off"
NOTE = "not under approval"
SWITCHES = frozenset({"tools", "tool_choice", "functions", "function_call", "mcp_servers"})
"""Of every provider: fields of a request that only aiops fills, or that name servers whose tools a provider calls."""
PASSED_ON = ("extra_body", "model_kwargs")
"""Parameters whose fields become fields of the request."""
REFUSED = "{name}: a provider could run tools of its own for it, which are not under approval: leave it out."


@dataclass(frozen=True, slots=True)
class ListedTool:
    """One tool of a provider, as people see it."""

    provider: str
    tool: str
    status: str = OFF
    note: str = NOTE


def listed() -> list[ListedTool]:
    """Return the tools of all providers, as their handlers declare them."""
    return [ListedTool(name, tool) for name, handler in sorted(HANDLERS.items()) for tool in handler.own_tools]


def problems(parameters: Mapping[str, Any], handler: type[BaseLLMProviderHandler]) -> list[str]:
    """Return why parameters of a model are refused, one reason for each that could switch on a provider's tools."""
    switches = SWITCHES.union(*handler.own_tools.values())
    # Some servers read names of fields in any case.
    return [REFUSED.format(name=name[:100]) for name in _fields(parameters) if name.casefold() in switches]


def _fields(parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        yield name
        if name in PASSED_ON and isinstance(value, dict):
            yield from value
