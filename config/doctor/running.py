"""Checks that ask the running server: only it knows the settings it was started with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings as django_settings

from aiops import certificates, net
from aiops.status import examination as status
from aiops.terminal.client import CallFailed
from aiops.terminal.text import printable, span
from config import client
from config.doctor.finding import Finding
from config.local.home import Home

SETTINGS = django_settings.SETTINGS
VARIABLES = {"database": "DATABASE_URL", "redis": "REDIS_URL", "broker": "CELERY_BROKER_URL"}
WEB_S = 5.0
WEB_BYTES = 100_000
ELSEWHERE = "Set AIOPS_URL and AIOPS_TOKEN to the address of the web process as this host reaches it, and a token."
UNASKED = "this shell's settings, no server was asked"


@dataclass(frozen=True, slots=True)
class Server:
    """The responses of the server that this home or AIOPS_URL leads to."""

    findings: list[Finding]
    """Whether it can be reached."""
    facts: dict[str, Any] = field(default_factory=dict)
    """The response of ``GET /api/status/``; {} if there was none."""

    @property
    def details(self) -> dict[str, Any]:
        """Return the details for staff; {} for others."""
        return self.facts.get("details") or {}


def examine() -> Server:
    """Request the server's readiness and status."""
    recorded = Home(SETTINGS.home).address
    own = SETTINGS.url or (recorded.read_text().strip() if recorded.exists() else "")
    if not (address := own or SETTINGS.public_url):
        return Server([_without_address()])
    try:
        answer = net.get(f"{address}/health/ready", total_s=WEB_S, max_bytes=WEB_BYTES)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError) as error:
        return Server([_unreachable(address, error, is_for_people=not own)])
    ready = _ready(address, answer)
    if ready.required and not ready.ok:
        return Server([ready])
    try:
        return Server([ready], client.find(SETTINGS, address).get("/api/status/"))
    except CallFailed as failed:
        cure = "Set AIOPS_TOKEN to a token of that server: the model below is the one of this shell."
        return Server([ready, Finding("status", False, str(failed), cure, required=False)])


def _without_address() -> Finding:
    """Return what is found where no address is known; a host of workers alone needs none."""
    home = Home(SETTINGS.home)
    seen = f"nothing runs from {SETTINGS.home.absolute()}"
    if home.token.exists() or not SETTINGS.redis_url.get_secret_value():
        cure = "Start `aiops up`; if the pages run elsewhere, set AIOPS_URL and AIOPS_TOKEN."
        return Finding("web", False, seen, cure)
    return Finding("web", False, f"{seen}, and where it runs is not known here", ELSEWHERE, required=False)


def _unreachable(address: str, error: Exception, *, is_for_people: bool) -> Finding:
    """Return what is found of an address that does not answer; the one for people need not answer from here."""
    seen, cure = str(error), "Start it (`aiops up`), see its log, or correct AIOPS_URL."
    if refused := certificates.problem(error):
        seen, cure = refused.what, f"{refused.cure}."
    elif is_for_people:
        cure = ELSEWHERE
    return Finding("web", False, f"{address}: {seen}", cure, required=not is_for_people)


def _ready(address: str, answer: net.Answer) -> Finding:
    seen = f"{address} answered {answer.status}"
    try:
        body = json.loads(answer.body)
        missing, why = ", ".join(body.get("degraded", [])), body.get("detail", "")
        is_ours = "degraded" in body or why
    except (ValueError, TypeError, AttributeError):
        is_ours = False
    if not is_ours:
        cure = "Stop the process on that port, or start `aiops up`."
        return Finding("web", False, f"{address} is not an aiops server", cure)
    if not httpx.codes.is_success(answer.status):
        return Finding("web", False, f"{seen} {why}".strip(), "See the web process's log, or its proxy's.")
    if missing:  # ready, but degraded; the later checks find the cause
        return Finding("web", False, f"{seen}, without {missing}", "See what is DOWN below.", required=False)
    return Finding("web", True, seen)


def settings(server: Server) -> list[Finding]:
    """Compare this shell's servers with those of the running server: the later checks use this shell's."""
    own = {
        "database": status.database_address(),
        "redis": status.address(SETTINGS.redis_url.get_secret_value()),
        "broker": status.address(SETTINGS.broker),
    }
    found = []
    for part, name in VARIABLES.items():
        theirs = server.details.get(part, {}).get("address", "")
        if theirs and not _same(theirs, own[part]):
            seen = f"this shell's {name} leads to {own[part] or 'nothing'}, the server's to {theirs}"
            cure = f"Unless both are the same, set {name} here as for the server: the {part} below is this shell's."
            found.append(Finding(f"{part} here", False, seen, cure, required=False))
        if problem := server.details.get(part, {}).get("problem", ""):
            cure = "See the log of the web process, which cannot reach it."
            found.append(Finding(f"{part} of web", False, f"{theirs}: {problem}", cure))
    return found


def _same(one: str, other: str) -> bool:
    local = [place.replace("//localhost", "//127.0.0.1") for place in (one, other)]
    return local[0] == local[1] or (one[:1] == other[:1] == "/" and Path(one).resolve() == Path(other).resolve())


def model(server: Server, *, from_here: Callable[[str, str], Finding | None]) -> list[Finding]:
    """Check the server's model, and the last health check of its provider.

    Before the first health check, ``from_here`` checks the provider, if this shell uses the same model.
    """
    chosen, provider = server.facts["model"], server.details.get("provider")
    if chosen["problem"]:
        cure = "Add a model on the page Models and make it the default; in LAB, variables do as well."
        return [Finding("model", False, chosen["problem"], cure)]
    if chosen["provider"] == "offline":
        return [Finding("model", True, "offline: tools only, no language model is configured")]
    name = f"{chosen['name']} ({chosen['provider']})"
    if provider is None and (finding := from_here(chosen["provider"], chosen["name"])) is not None:
        return [replace(finding, seen=f"{finding.seen}, checked from this shell")]
    if provider is None:
        seen = f"{name}: its provider has not been checked yet"
        return [Finding("model", False, seen, "Try again in a minute, with an administrator's token.", required=False)]
    age_s = (datetime.now(UTC) - datetime.fromisoformat(provider["checked_at"])).total_seconds()
    seen = f"{provider['detail'].rstrip('. ')}, {age_s:.0f} s ago"
    cure = "Check that its server runs and can be reached from the workers, and that the key is right."
    return [Finding("model", provider["reachable"], seen, cure)]


def view(server: Server) -> list[Finding]:
    """Report what the running server sees of itself, as its page /status/ shows it."""
    if not server.facts:
        cure = "Start it, or set AIOPS_URL and AIOPS_TOKEN to it: all of this is what this shell sees."
        return [Finding("server's view", False, "the server could not be asked", cure, required=False)]
    missing = server.facts["missing"]
    cure = "See what is DOWN here and the page /status/."
    found = [Finding("server's view", not missing, ", ".join(missing) or "nothing is missing", cure, required=False)]
    if not server.details:
        cure = "Repeat this with an administrator's token to see each part."
        return [*found, Finding("server's parts", False, "shown to staff only", cure, required=False)]
    return [*found, _load(server.details), _failures(server.details["failures"])]


def _load(details: dict[str, Any]) -> Finding:
    workers, waits = details["workers"], [one["oldest_s"] or 0.0 for one in details["queues"]]
    runs = sum(one["runs"] or 0 for one in workers)
    lag_ms = max((one["loop_lag_s"] or 0.0 for one in workers), default=0.0) * 1e3
    disk = details["disk"]
    free = f", {disk['free_bytes'] / 1e9:.1f} GB free on its disk" if disk["free_bytes"] is not None else ""
    seen = f"{len(workers)} workers hold {runs} runs, with at most {lag_ms:.0f} ms of loop lag"
    return Finding("server's load", True, f"{seen}; the oldest message waits {span(max(waits, default=0.0))}{free}")


def _failures(failures: list[dict[str, Any]]) -> Finding:
    if not failures:
        return Finding("failed lately", True, "nothing in the last 24 hours")
    newest = failures[0]
    seen = f"{len(failures)} in the last 24 hours, the newest {newest['kind']}: {newest['detail'][:200]}"
    return Finding("failed lately", False, printable(seen), "See the page /status/.", required=False)


def tools(server: Server, *, seen_here: set[str]) -> list[Finding]:
    """Report the tool servers that the running server knows and this shell does not."""
    cure = "See its command or address at /tool-servers/; this shell does not know it (AIOPS_TOOL_SERVERS)."
    return [
        Finding(
            f"tools {one['name']}",
            one["status"] == "healthy",
            f"{one['status']}, as the server says{': ' + one['problem'] if one['problem'] else ''}",
            cure,
            required=one["required"],
        )
        for one in server.details.get("tool_servers", [])
        if one["name"] not in seen_here
    ]
