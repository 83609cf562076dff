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
from aiops.registry import models, tool_servers
from aiops.registry.tool_servers import BadToolServer
from aiops.tools.pool import Catalogue, ToolPool
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
        spec = models.choose(SETTINGS, {})
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
    base = spec.base_url or {"openai": "https://api.openai.com/v1", "ollama": "http://127.0.0.1:11434"}[spec.provider]
    path = {"openai": "/models", "ollama": "/api/tags"}[spec.provider]
    headers = {"Authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
    try:
        answer = httpx.get(base.rstrip("/") + path, headers=headers, timeout=5)
    except httpx.HTTPError as error:
        return [
            Finding(
                "model",
                False,
                f"{spec.name} ({spec.provider}) at {base}: {error}",
                "See that its server runs and can be reached from here.",
            )
        ]
    cure = "Correct the key (OPENAI_API_KEY)." if answer.status_code in (401, 403) else "See that the address is right."
    return [
        Finding(
            "model", answer.is_success, f"{spec.name} ({spec.provider}) at {base} answered {answer.status_code}", cure
        )
    ]


def tools() -> list[Finding]:
    """Whether each tool server shakes hands."""
    try:
        specs = tool_servers.configured(SETTINGS)
    except BadToolServer as error:
        return [Finding("tools", False, str(error), "Correct AIOPS_TOOL_SERVERS.")]

    async def look() -> Catalogue:
        pool = ToolPool(specs, timeout_s=SETTINGS.tool_timeout_s)
        pool.start()
        try:
            return await pool.catalogue()
        finally:
            await pool.stop()

    catalogue = asyncio.run(look())
    up = [
        Finding(
            f"tools {spec.name}", True, f"{sum(t.server == spec.name for t in catalogue.tools)} tools", required=False
        )
        for spec in specs
        if spec.name not in dict(catalogue.missing)
    ]
    cure = "See that its command or address is right and it runs; others go on without it."
    return up + [Finding(f"tools {name}", False, reason, cure, required=False) for name, reason in catalogue.missing]


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
