"""Runs all checks and prints their findings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import django

django.setup()

from config import management  # noqa: E402
from config.doctor import running, servers, surroundings, workers  # noqa: E402
from config.doctor.finding import Finding  # noqa: E402


def checks() -> Iterator[list[Finding]]:
    """Run one check after the other."""
    server = running.examine()
    yield server.findings
    yield running.settings(server)
    for check in (servers.database, servers.redis_server, servers.queues, workers.examine, servers.beat, servers.jobs):
        yield check()
    yield surroundings.model(server)
    yield surroundings.tools(server)
    yield surroundings.machine()
    yield running.view(server)


def run(*, as_json: bool) -> int:
    """Check everything and print the findings; return 1 if a required part is down."""
    management.without_pool()
    findings = []
    for found in checks():
        findings += found
        for f in [] if as_json else found:
            mark = "ok  " if f.ok else "DOWN" if f.required else "warn"
            cure = "" if f.ok else f"\n{'':23}→ {f.cure}"
            print(f"{mark}  {f.part:<16} {' '.join(f.seen.split())}{cure}", flush=True)
    if as_json:
        print(json.dumps([{**asdict(f), "cure": "" if f.ok else f.cure} for f in findings], indent=2))
    return int(any(not f.ok and f.required for f in findings))
