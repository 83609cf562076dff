"""Two workers of one name on one host: the second is refused, for RabbitMQ would leave it idle for ever."""

from __future__ import annotations

import hashlib
import socket
import sys
from typing import Any

from celery.signals import worker_init
from django.conf import settings as django_settings

_held: list[socket.socket] = []
"""Bound while this process lives; the kernel frees the name however it ends."""


class NameTaken(Exception):
    """Another worker of this host has the name."""


def take(name: str, *, broker: str) -> None:
    """Reserve a worker's name among those of one broker on this host (Linux); raises NameTaken."""
    if sys.platform != "linux":
        return
    digest = hashlib.sha256(f"{broker} {name}".encode()).hexdigest()
    held = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        held.bind(f"\0aiops-worker-{digest}")  # abstract: no file remains
    except OSError as error:
        held.close()
        raise NameTaken(
            f"A worker named {name} already runs on this host: give each its own name (WORKER=…, or -n)."
        ) from error
    _held.append(held)


@worker_init.connect(weak=False)
def take_own(sender: Any, **_: Any) -> None:
    """Take the name of this worker before it connects."""
    try:
        take(sender.hostname, broker=django_settings.SETTINGS.broker)
    except NameTaken as taken:
        raise SystemExit(str(taken)) from None
