"""What every worker does when it starts: look whether its database is whole, and record which secrets it reads."""

from __future__ import annotations

import os
import socket

from celery.signals import worker_init

from aiops import database
from aiops.secrets import resolving
from aiops.secrets.uses import Uses


@worker_init.connect(weak=False)
def refuse_unfinished_move(**_: object) -> None:
    """Exit; Celery would only log another error, and start."""
    try:
        database.refuse_unfinished_move()
    except RuntimeError as error:
        raise SystemExit(f"The worker cannot start: {error}") from error


@worker_init.connect(weak=False)
def record_uses_of_secrets(**_: object) -> None:
    resolving.report_to(Uses(f"{socket.gethostname()}:{os.getpid()}").note)
