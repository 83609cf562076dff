"""What is around us: the web process as clients see it, the model, the tool servers, the machine."""

from __future__ import annotations

import asyncio
import resource
import shutil
import time

import httpx
from django.conf import settings as django_settings
from django.db import DatabaseError

from aiops import database
from aiops.errors import Refused
from aiops.registry import language_models, providers, tool_servers
from aiops.registry.environment import BadToolServer
from aiops.tools import probe
from aiops.tools.values import Health, ServerSpec
from config.doctor.finding import Finding
from config.home import Home

SETTINGS = django_settings.SETTINGS
LOW_DISK_BYTES = 500_000_000
FEW_FILES = 1_024
CLOCK_S = 2.0


def web() -> list[Finding]:
    """Whether the pages and the API answer, where this home's ``aiops up`` or AIOPS_PUBLIC_URL says they are."""
    kept = Home(SETTINGS.home).address
    address = kept.read_text().strip() if kept.exists() else SETTINGS.public_url
    if not address:
        return [Finding("web", False, f"nothing runs from {SETTINGS.home.absolute()}", "Start `aiops up`.")]
    try:
        answer = httpx.get(f"{address}/health/ready", timeout=5)
    except httpx.HTTPError as error:
        return [Finding("web", False, f"{address}: {error}", "Start `aiops up`, or see its log.")]
    try:
        missing = ", ".join(answer.json()["degraded"]) if answer.is_success else ""
    except (ValueError, KeyError, TypeError):
        return [Finding("web", False, f"{address} is no aiops server", "Stop who uses that port, or start `aiops up`.")]
    seen = f"{address} answered {answer.status_code}" + (f", without {missing}" if missing else "")
    return [Finding("web", answer.is_success, seen, "See the web process's log.")]


def model() -> list[Finding]:
    """Whether the default model's provider can be reached."""
    try:
        spec = language_models.choose(SETTINGS, {})
    except Refused as refused:
        return [
            Finding(
                "model",
                False,
                refused.detail,
                "Set LLM_TYPE, LLM_MODEL and the provider's variables; see the README's table.",
            )
        ]
    if spec.provider == "offline":
        return [Finding("model", True, "offline: tools only, no language model is configured")]
    reached = providers.ask(spec)
    return [Finding("model", reached.ok, reached.detail, reached.cure)]


def tools() -> list[Finding]:
    """Whether each tool server that is to serve shakes hands."""
    try:
        specs = tool_servers.configured(SETTINGS)
    except BadToolServer as error:
        return [Finding("tools", False, str(error), "Correct AIOPS_TOOL_SERVERS.")]
    except DatabaseError as error:
        return [Finding("tools", False, f"their rows cannot be read: {error}", "See the database.")]
    return [_of_server(spec, seen) for spec, seen in zip(specs, asyncio.run(probe.look(specs)), strict=True)]


def _of_server(spec: ServerSpec, seen: Health) -> Finding:
    cure = "See that its command or address is right, that it runs, and its status; others go on without it."
    if spec.required:
        cure = "Nothing is answered without it: see that it runs, or make it optional."
    tools = "its health path answers" if seen.tools is None else f"{len(seen.tools)} tools"
    return Finding(f"tools {spec.name}", not seen.problem, seen.problem or tools, cure, required=spec.required)


def machine() -> list[Finding]:
    """Disk, open files and clock."""
    home = SETTINGS.home.absolute()
    place = home if home.exists() else home.parent
    free = shutil.disk_usage(place).free
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = [
        Finding(
            "disk", free > LOW_DISK_BYTES, f"{free / 1e9:.1f} GB free at {place}", "Make room: rows and memory need it."
        ),
        Finding(
            "open files",
            soft >= FEW_FILES,
            f"at most {soft} (hard {hard})",
            "Raise it: ulimit -n 65536.",
            required=False,
        ),
    ]
    return found + _clock()


def _clock() -> list[Finding]:
    """Compare this machine's clock with the database's."""
    try:
        apart_s = abs(database.now_s() - time.time())
    except DatabaseError:
        return []
    seen = f"{apart_s:.1f} s from the database's"
    return [Finding("clock", apart_s < CLOCK_S, seen, "Set both clocks by NTP.", required=False)]
