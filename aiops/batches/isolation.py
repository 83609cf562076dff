"""Confines an error to its batch: the batch is ended with the reason, and the others continue."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from uuid import UUID

from django.db import InterfaceError, OperationalError, connection

from aiops import log
from aiops.batches import lifecycle
from aiops.runs import send
from aiops.settings import Settings

logger = log.get(__name__)


class Isolation:
    """Confines errors to one batch of a loop over many; ``broken`` counts the batches that were ended."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.broken = 0

    @contextlib.contextmanager
    def of(self, batch_id: UUID) -> Iterator[None]:
        """Run the block for one batch; raises only when the database is unreachable."""
        try:
            yield
        except (OperationalError, InterfaceError) as error:  # such as a deadlock: the next tick retries
            if not connection.is_usable():
                raise
            logger.warning("batch.postponed", batch=str(batch_id), error=str(error))
        except Exception as error:
            logger.exception("batch.broke", batch=str(batch_id))
            self.broken += 1
            stopped = lifecycle.fail(
                batch_id, f"An error in aiops ended it ({type(error).__name__}): the log has the details."
            )
            send.announce_stop(stopped, ttl_s=self._settings.stream_ttl_s)
