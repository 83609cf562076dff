"""A thread of a batch worker that feeds batches soon after something happened, once for many requests."""

from __future__ import annotations

import threading
import time

from django.conf import settings as django_settings
from django.db import DatabaseError, InterfaceError, connection

from aiops import log
from aiops.batches import feeding

PAUSE_S = 0.1
"""Between two passes: items that end within this time are updated together."""

logger = log.get(__name__)
_requested = threading.Event()
_thread: list[threading.Thread] = []
_starting = threading.Lock()


def wake() -> None:
    """Feed batches soon; the maintenance job ``batches`` does it if this fails."""
    with _starting:
        if not _thread:
            _thread.append(threading.Thread(target=_feed, name="feeder", daemon=True))
            _thread[0].start()
    _requested.set()


def _feed() -> None:
    while True:
        _requested.wait()
        _requested.clear()
        try:
            feeding.tick(django_settings.SETTINGS)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("feeder.failed", error=str(error))
        except Exception:  # the thread must survive: the next pass may succeed
            logger.exception("feeder.broke")
        finally:
            connection.close()
        time.sleep(PAUSE_S)
