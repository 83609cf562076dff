"""Checks of the model, the tool servers and the machine."""

from __future__ import annotations

import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import replace

from django.conf import settings as django_settings
from django.db import DatabaseError

from aiops import database
from aiops.errors import Refused
from aiops.llm import choice, reachability, snapshot
from aiops.llm.providers import OFFLINE
from aiops.llm.values import ModelSpec
from aiops.tool_servers import specs
from aiops.tool_servers.catalogue import waiting
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import Health, ServerSpec
from aiops.tool_servers.environment import BadToolServer
from config.doctor import running
from config.doctor.finding import Finding
from config.doctor.running import Server

SETTINGS = django_settings.SETTINGS
LOW_DISK_BYTES = 500_000_000
FEW_FILES = 1_024
CLOCK_S = 2.0


def model(server: Server) -> list[Finding]:
    """Check the provider of the server's default model; of this shell's model if no server answered."""
    if server.facts:
        return running.model(server, from_here=_check_same_model)
    found = _check_own_model()
    marked = replace(found, seen=f"{found.seen} ({running.UNASKED})")
    cure = "Repeat this when the server runs, or set AIOPS_URL and AIOPS_TOKEN to it."
    return [replace(marked, ok=False, required=False, cure=cure) if found.ok else marked]


def _check_same_model(provider: str, name: str) -> Finding | None:
    """Check the server's model from here; None if this shell has another one or none."""
    try:
        spec = choice.choose(snapshot.current(SETTINGS), {})
    except (Refused, DatabaseError):
        return None
    return _reach(spec) if (spec.provider, spec.name) == (provider, name) else None


def _check_own_model() -> Finding:
    try:
        spec = choice.choose(snapshot.current(SETTINGS), {})
    except Refused as refused:
        cure = "Add one on the page Models, or, in LAB, set LLM_TYPE, LLM_MODEL and the provider's variables."
        return Finding("model", False, refused.detail, cure)
    except DatabaseError as error:
        return Finding("model", False, f"the models cannot be read: {error}", "See the database.")
    if spec.handler_name == OFFLINE:
        return Finding("model", True, "offline: tools only, no language model is configured")
    return _reach(spec)


def _reach(spec: ModelSpec) -> Finding:
    reached = reachability.check(spec, SETTINGS)
    return Finding("model", reached.ok, reached.detail, reached.cure)


def tools(server: Server) -> list[Finding]:
    """Check each configured tool server, as this shell reaches it."""
    try:
        servers = specs.configured(SETTINGS)
    except BadToolServer as error:
        return [Finding("tools", False, str(error), "Correct AIOPS_TOOL_SERVERS.")]
    except DatabaseError as error:
        return [Finding("tools", False, f"their rows cannot be read: {error}", "See the database.")]
    checked = zip(servers, probe.check(servers), strict=True)
    found = [one for spec, health in checked for one in _of_server(spec, health)]
    return found + list(_waiting()) + running.tools(server, seen_here={spec.name for spec in servers})


def _waiting() -> Iterator[Finding]:
    """Name the tools that a person is to decide about; without them answers go on."""
    if names := waiting.pending():
        cure = "Look at them at /tools/, or: aiops tools accept SERVER."
        yield Finding("tools not accepted", False, names, cure, required=False)
    if names := waiting.unclassified():
        cure = "They count as tools that change things: aiops tools change SERVER TOOL --class read."
        yield Finding("tools without a class", False, names, cure, required=False)


def _of_server(spec: ServerSpec, health: Health) -> Iterator[Finding]:
    cure = "Check its command or address, that it runs, and its status; others work without it."
    if spec.required:
        cure = "No run is answered without it: check that it runs, or make it optional."
    name, offered = f"tools {spec.name}", health.tools or ()
    refused = [f"{tool.name}: {tool.problem}" for tool in offered if tool.problem]
    seen = f"{len(offered) - len(refused)} tools" if health.tools is not None else "its health path answers"
    yield Finding(name, not health.problem, health.problem or seen, cure, required=spec.required)
    if refused:
        cure = "Correct these tools at their server; its others are used."
        yield Finding(name, False, "refused: " + "; ".join(refused), cure, required=False)


def machine() -> list[Finding]:
    """Check disk space, the limit of open files, and the clock."""
    home = SETTINGS.home.absolute()
    place = home if home.exists() else home.parent
    free = shutil.disk_usage(place).free
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = f"at most {soft} in this shell (hard {hard})"
    return [
        Finding("disk", free > LOW_DISK_BYTES, f"{free / 1e9:.1f} GB free at {place}", "Make room."),
        Finding("open files", soft >= FEW_FILES, files, "Raise it: ulimit -n 65536.", required=False),
        *_clock(),
    ]


def _clock() -> list[Finding]:
    """Compare this machine's clock with the database's."""
    try:
        apart_s = abs(database.now_s() - time.time())
    except DatabaseError:
        return []
    seen = f"differs by {apart_s:.1f} s from the database's"
    return [Finding("clock", apart_s < CLOCK_S, seen, "Set both clocks by NTP.", required=False)]
