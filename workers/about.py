"""What a worker says about itself when `aiops doctor` asks all workers: version, tables, queues, clock."""

from __future__ import annotations

import functools
import socket
import time
from typing import Any

from celery.worker.control import inspect_command
from django.db.migrations.loader import MigrationLoader

from aiops import __version__, dispatch


@inspect_command(name=dispatch.ABOUT)
def about(state: Any) -> dict[str, Any]:
    """Return this worker's host, version, newest migrations, queues, and clock (Unix seconds)."""
    return {
        "host": socket.gethostname(),
        "version": __version__,
        "migrations": migrations(),
        "queues": sorted(queue.name for queue in state.app.amqp.queues.consume_from.values()),
        "clock": time.time(),
    }


@functools.cache
def migrations() -> list[str]:
    """Return the newest migration of each app that this code brings."""
    return sorted(f"{app}.{name}" for app, name in MigrationLoader(None).graph.leaf_nodes())
