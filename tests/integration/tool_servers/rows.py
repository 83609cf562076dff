"""Rows of tool servers, as tests make them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from aiops.tool_servers.models import MCPServer

SETTINGS = django_settings.SETTINGS
Status = MCPServer.Status
COUNTING = Path(__file__).parents[2] / "acceptance" / "counting_server.py"


def add(name: str = "netbox", **fields: Any) -> MCPServer:
    made = MCPServer(**{"name": name, "url": "https://netbox.example.org", "status": Status.HEALTHY, **fields})
    made.full_clean()
    made.save()
    made.refresh_from_db()
    return made


def command(name: str, tmp_path: Path, **fields: Any) -> MCPServer:
    env = {"MARKS": str(tmp_path / "marks")}
    return add(name, protocol="stdio", url="", command=sys.executable, args=[str(COUNTING)], env=env, **fields)


def lab(**changes: Any) -> Any:
    return SETTINGS.model_copy(update={"environment": "LAB", "tool_servers": {}, **changes})
