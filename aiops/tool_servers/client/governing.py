"""Applies what administrators have decided to the tools that servers offer now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from aiops.tool_servers.client.values import RemoteTool, ServerRules, ToolClass

NEW = "It is new and waits to be accepted."
CHANGED = "It has changed since it was accepted, and waits to be accepted again."


@dataclass(frozen=True, slots=True)
class Withheld:
    """A tool that a server offers and that must not be used, with the reason."""

    server: str
    tool: str
    reason: str

    @property
    def waits(self) -> bool:
        """Whether a person is still to decide about it."""
        return self.reason in (NEW, CHANGED)


@dataclass(frozen=True, slots=True)
class Governed:
    """The tools that may be called, with their class and limits as decided, and those that may not."""

    tools: tuple[RemoteTool, ...] = ()
    withheld: tuple[Withheld, ...] = ()


def govern(tools: Iterable[RemoteTool], rules: Mapping[str, ServerRules]) -> Governed:
    """Return the tools as the rules allow them; those of servers without rules (of the environment) as offered."""
    allowed: list[RemoteTool] = []
    withheld: list[Withheld] = []
    for tool in tools:
        of_server = rules.get(tool.server)
        reason = _reason(tool, of_server) if of_server is not None else ""
        if reason:
            withheld.append(Withheld(tool.server, tool.remote_name, reason))
        else:
            allowed.append(_as_decided(tool, of_server) if of_server is not None else tool)
    return Governed(tuple(allowed), tuple(withheld))


def believed_class(claimed: ToolClass, *, external: bool) -> ToolClass:
    """Return the class of a tool that nobody has classified: an external server's word does not make it read."""
    return ToolClass.UNKNOWN if external and claimed is ToolClass.READ else claimed


def class_unseen(decided: ToolClass, claimed: ToolClass, *, external: bool) -> ToolClass:
    """Return the class of a changed tool that nobody has looked at: read only if what is new claims that, too."""
    return decided if decided is not ToolClass.READ else believed_class(claimed, external=external)


def _reason(tool: RemoteTool, rules: ServerRules) -> str:
    rule = rules.tools.get(tool.remote_name)
    if rule is not None and rule.withheld:
        return rule.withheld
    if rules.accepts or (rule is not None and (rule.adopts or rule.pin == tool.pin)):
        return ""
    return NEW if rule is None or not rule.pin else CHANGED


def _as_decided(tool: RemoteTool, rules: ServerRules) -> RemoteTool:
    rule = rules.tools.get(tool.remote_name)
    if rule is None:
        return replace(tool, tool_class=believed_class(tool.tool_class, external=rules.external))
    seen = rule.adopts or rule.pin == tool.pin
    return replace(
        tool,
        tool_class=rule.tool_class if seen else class_unseen(rule.tool_class, tool.tool_class, external=rules.external),
        call_s=rule.call_s,
        max_result_bytes=rule.max_result_bytes,
        calls_per_run=rule.calls_per_run,
    )
