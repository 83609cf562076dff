"""Looks at everything in turn and tells what it found."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

import django

django.setup()

from config import management  # noqa: E402
from config.doctor import servers, surroundings  # noqa: E402
from config.doctor.finding import Finding  # noqa: E402

LOOKS: list[Callable[[], list[Finding]]] = [
    surroundings.web,
    servers.database,
    servers.redis_server,
    servers.queues,
    servers.beat,
    surroundings.model,
    surroundings.tools,
    surroundings.machine,
]


def run(*, as_json: bool) -> int:
    """Look at everything and print it; 1 when a required part is down."""
    management.without_pool()
    findings = [finding for look in LOOKS for finding in look()]
    if as_json:
        print(json.dumps([{**asdict(f), "cure": "" if f.ok else f.cure} for f in findings], indent=2))
    else:
        for f in findings:
            mark = "ok  " if f.ok else "DOWN" if f.required else "warn"
            print(f"{mark}  {f.part:<16} {' '.join(f.seen.split())}" + ("" if f.ok else f"\n{'':23}→ {f.cure}"))
    return int(any(not f.ok and f.required for f in findings))
