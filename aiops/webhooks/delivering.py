"""Sends all due deliveries concurrently; a delivery may arrive twice, always under the same id."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import DatabaseError, InterfaceError, connection

from aiops import log
from aiops.errors import AiopsError
from aiops.settings import Settings
from aiops.webhooks import claims, outbox
from aiops.webhooks.claims import Outcome
from aiops.webhooks.models import Delivery
from aiops.webhooks.sending import Sender, SignedRequest, signed_request

AT_ONCE = 32
FOR_S = 20.0
"""No attempt starts after this long; the next run of the job continues."""
POLL_S = 1.0
"""How often due deliveries are queried while others are in flight."""

logger = log.get(__name__)
Result = TypeVar("Result")


def deliver(settings: Settings) -> dict[str, int]:
    """Fill the outbox and send everything due; return counts."""
    counts = {"collected": outbox.collect(), "delivered": 0, "not_delivered": 0}
    if claims.due().exists():
        # one thread for all queries: Django's ORM is synchronous, and each thread opens a connection
        with ThreadPoolExecutor(1, thread_name_prefix="webhook-rows") as rows:
            try:
                ended = asyncio.run(_Delivering(settings, rows).deliver())
            finally:
                rows.submit(connection.close)  # each thread has its own connection
        counts = {name: count + ended[name] for name, count in counts.items()}
    return counts


class _Delivering:
    """One run of the job: concurrent attempts, each replaced by another when it ends."""

    def __init__(self, settings: Settings, rows: ThreadPoolExecutor) -> None:
        self._settings = settings
        self._rows = rows
        self._in_flight: dict[asyncio.Task[Outcome], Delivery] = {}
        self._counts: Counter[str] = Counter()

    async def deliver(self) -> Counter[str]:
        """Send until nothing is due or the time is up, then wait for attempts in flight; return counts."""
        until = time.monotonic() + FOR_S
        sender = Sender(self._settings)
        while True:
            if time.monotonic() < until and len(self._in_flight) < AT_ONCE:
                await self._begin_more(sender)
            if not self._in_flight:
                return self._counts
            ended, _ = await asyncio.wait(self._in_flight, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                await self._end(self._in_flight.pop(task), task.result())

    async def _begin_more(self, sender: Sender) -> None:
        self._counts["collected"] += await self._in_rows(outbox.collect)
        claim_some = partial(claims.claim_some, AT_ONCE - len(self._in_flight), in_flight=[*self._in_flight.values()])
        for delivery in await self._in_rows(claim_some):
            if delivery.form == Delivery.Form.MAIL:
                self._in_flight[asyncio.create_task(_guarded(sender.mail(delivery)))] = delivery
                continue
            signed = await self._in_rows(partial(_sign, delivery, self._settings))
            if isinstance(signed, Outcome):
                await self._end(delivery, signed)
            else:
                self._in_flight[asyncio.create_task(_guarded(sender.send(signed)))] = delivery

    async def _end(self, delivery: Delivery, outcome: Outcome) -> None:
        arrived = await self._in_rows(partial(claims.conclude, delivery, outcome))
        if arrived is not None:
            self._counts["delivered" if arrived else "not_delivered"] += 1

    async def _in_rows(self, function: Callable[[], Result]) -> Result:
        """Run a function that needs the database in the one thread that has a connection."""
        return await asyncio.get_running_loop().run_in_executor(self._rows, function)


def _sign(delivery: Delivery, settings: Settings) -> SignedRequest | Outcome:
    """Return the signed request, or the outcome when it cannot be made."""
    try:
        return signed_request(delivery, settings)
    except (DatabaseError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001  (one broken delivery must not stop the others)
        return _as_outcome(error)


async def _guarded(attempt: Coroutine[Any, Any, Outcome]) -> Outcome:
    try:
        return await attempt
    except Exception as error:  # noqa: BLE001  (as above)
        return _as_outcome(error)


def _as_outcome(error: Exception) -> Outcome:
    logger.exception("webhook.broke", error=str(error))
    detail = error.detail if isinstance(error, AiopsError) else f"It could not be sent ({type(error).__name__})."
    return Outcome(error=detail)
