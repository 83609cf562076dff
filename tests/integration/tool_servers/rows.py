"""Rows of tool servers, as tests make them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings

from aiops.tool_servers import specs
from aiops.tool_servers.catalogue import listing, rules
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.governing import govern
from aiops.tool_servers.client.values import Offered, RemoteTool, ToolClass
from aiops.tool_servers.models import MCPServer, Tool

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


def offer(name: str = "look", **fields: Any) -> Offered:
    """A tool in a server's list; whatever differs in ``definition`` makes another pin."""
    definition = {"name": name, "description": f"Call {name}.", **fields.pop("definition", {})}
    given = {"description": definition["description"], "read_only": True, "tool_class": ToolClass.READ, **fields}
    return Offered(name, **{"pin": definition["description"].ljust(64, ".")[:64], "definition": definition, **given})


def record(server: MCPServer, *offers: Offered, **settings: Any) -> dict[str, Tool]:
    """Record a list of a server, and return its tools by name."""
    listing.record(MCPServer.objects.get(pk=server.pk), offers, lab(**settings))
    return {tool.name: tool for tool in server.catalogue.select_related("server")}


def listed(server: MCPServer) -> dict[str, Tool]:
    """List a running server's tools as its health check does, and return them by name."""
    (seen,) = probe.check([specs.of_row(server, SETTINGS, ignore_status=True)])
    return record(server, *(seen.tools or ()))


def live(*offers: Offered) -> list[RemoteTool]:
    """The tools as a worker's own session lists them."""
    return [
        RemoteTool(
            f"netbox_{one.name}", "netbox", one.name, one.description, {}, tool_class=one.tool_class, pin=one.pin
        )
        for one in offers
    ]


def usable(*offers: Offered) -> dict[str, ToolClass]:
    """Return the tools that runs may use now, with their classes."""
    return {tool.remote_name: tool.tool_class for tool in govern(live(*offers), rules.read(SETTINGS)).tools}
