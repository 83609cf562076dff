"""The codes of notices that others look for. It imports nothing of ours, so that the CLI uses it too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TOOL_FAILED = "tool_failed"


def says_tool_failed(notices: Iterable[Mapping[str, str]]) -> bool:
    """Return whether a run's last call of some tool failed: its answer lacks what the tool would have said."""
    return any(notice["code"] == TOOL_FAILED for notice in notices)
