"""One thread of a batch worker that moves batches on soon after something happened, however often it is asked."""

from __future__ import annotations

import threading
import time

from django.conf import settings as django_settings
from django.db import DatabaseError, InterfaceError, connection

from aiops import log
from aiops.batches import feeding

PAUSE_S = 0.1
"""Between two looks: what ends within this time is settled together."""

logger = log.get(__name__)
_asked = threading.Event()
_thread: list[threading.Thread] = []
_starting = threading.Lock()


def nudge() -> None:
    """Have batches looked at, soon; upkeep looks too when this fails."""
    with _starting:
        if not _thread:
            _thread.append(threading.Thread(target=_feed, name="feeder", daemon=True))
            _thread[0].start()
    _asked.set()


def _feed() -> None:
    while True:
        _asked.wait()
        _asked.clear()
        try:
            feeding.tick(django_settings.SETTINGS)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("feeder.failed", error=str(error))
        except Exception:  # the thread must go on: the next end of a run may be fed again
            logger.exception("feeder.broke")
        finally:
            connection.close()
        time.sleep(PAUSE_S)
