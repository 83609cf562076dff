"""Records in the audit log which secrets a worker process reads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from django.db import transaction

from aiops import background
from aiops.audit.actions import WORKER, Action
from aiops.audit.recording import record
from aiops.secrets.values import SecretSpec

AGAIN_S = 3_600.0
"""A process that goes on reading a secret records that so often: health checks read some every minute."""


class Uses:
    """The secrets that one process has read, and when it last recorded each.

    A row is written in the background, so that no run waits for it: it is lost if the process dies within
    milliseconds, or if the database fails; then the next use records it.
    """

    def __init__(self, worker: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._worker = worker
        self._clock = clock
        self._recorded_at: dict[SecretSpec, float] = {}
        self._lock = threading.Lock()

    def note(self, secret: SecretSpec) -> None:
        """Record a use, unless this process has recorded one of this secret within the hour."""
        now = self._clock()
        with self._lock:
            before = self._recorded_at.get(secret)
            if before is not None and now - before < AGAIN_S:
                return
            self._recorded_at[secret] = now
        background.run_later(self._write, secret)

    def _write(self, secret: SecretSpec) -> None:
        written = False
        try:
            with transaction.atomic():
                record(
                    Action.SECRET_RESOLVED,
                    actor=WORKER,
                    actor_id=None,
                    object=f"secret:{secret.name}",
                    details={"kind": secret.kind, "reference": secret.reference, "process": self._worker},
                )
            written = True
        finally:
            if not written:
                with self._lock:
                    self._recorded_at.pop(secret, None)
