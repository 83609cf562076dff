"""No tool server but the test's own, and a recording dispatch."""

from __future__ import annotations

import pytest

from aiops import dispatch
from aiops.tool_servers.models import MCPServer


@pytest.fixture(autouse=True)
def _no_rows(db: None) -> None:
    MCPServer.objects.all().delete()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """A recording dispatch: (job, in how many seconds)."""
    said: list[tuple[str, int]] = []
    monkeypatch.setattr(dispatch, "upkeep", lambda job, *, request_id, in_s=0: said.append((job, in_s)))
    return said
