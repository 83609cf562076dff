"""What a worker says about itself when `aiops doctor` asks all workers: version, tables, queues, clock."""

from __future__ import annotations

import functools
import pkgutil
import socket
import time
from pathlib import Path
from typing import Any

from celery.worker.control import inspect_command
from django.apps import apps

from aiops import __version__, dispatch


@inspect_command(name=dispatch.ABOUT)
def about(state: Any) -> dict[str, Any]:
    """Return this worker's host, version, migrations, queues, and clock (Unix seconds)."""
    return {
        "host": socket.gethostname(),
        "version": __version__,
        "migrations": migrations(),
        "queues": sorted(queue.name for queue in state.app.amqp.queues.consume_from.values()),
        "clock": time.time(),
    }


@functools.cache
def migrations() -> list[str]:
    """Return the migrations that this code brings; they are not imported, for the consumer waits meanwhile."""
    return sorted(
        f"{app.label}.{module.name}"
        for app in apps.get_app_configs()
        for module in pkgutil.iter_modules([str(Path(app.path) / "migrations")])
    )
