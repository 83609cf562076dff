"""Shows that this worker works: its consumer turns, unless the broker is away, and so does the loop of its runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from celery import bootsteps, current_app
from celery.signals import worker_init, worker_shutdown
from django.conf import settings as django_settings

from aiops.alive import EVERY_S, SILENT_S, Sign

KIND = "worker"


class Watch:
    """Shows the sign of life from a thread, as long as what it watches moves."""

    def __init__(self, sign: Sign) -> None:
        self._sign = sign
        self._turned_at: float | None = None
        self._lags: list[Callable[[], float]] = []
        self._ended = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._show, name="alive", daemon=True).start()

    def end(self) -> None:
        self._ended.set()
        self._sign.end()

    def turned(self) -> None:
        """The consumer's loop has turned."""
        self._turned_at = time.monotonic()

    def waits(self) -> None:
        """The consumer has lost its broker: it need not turn until it has reconnected."""
        self._turned_at = None

    def add(self, lag_s: Callable[[], float]) -> None:
        """Also watch an event loop, by how late it is."""
        self._lags.append(lag_s)

    def moves(self) -> bool:
        """Return whether all that is watched has moved lately."""
        turned = self._turned_at is None or time.monotonic() - self._turned_at < SILENT_S
        return turned and all(lag_s() < SILENT_S for lag_s in self._lags)

    def _show(self) -> None:
        while not self._ended.is_set():
            if self.moves():
                self._sign.show()
            self._ended.wait(EVERY_S)


class Turning(bootsteps.StartStopStep):
    """Watches the loop of the worker's consumer while it is connected."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        self._timer: Any = None

    def start(self, parent: Any) -> None:
        watch.turned()
        self._timer = parent.timer.call_repeatedly(EVERY_S, watch.turned)

    def stop(self, parent: Any) -> None:
        watch.waits()
        if self._timer is not None:
            self._timer.cancel()

    shutdown = stop


watch = Watch(Sign(KIND, django_settings.SETTINGS.home))
current_app.steps["consumer"].add(Turning)
worker_init.connect(lambda **_: watch.start(), weak=False)
worker_shutdown.connect(lambda **_: watch.end(), weak=False)
