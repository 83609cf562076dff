"""The door of monitoring systems: ``/metrics``, for who has the token or comes from a network that may."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import socket
import time
from collections.abc import Sequence

from django.conf import settings as django_settings
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from aiops import database, log, metrics
from aiops.errors import NotFound, TooMany, Unauthenticated
from aiops.events.hub import Hub
from aiops.web import exposition, identity, throttle
from aiops.web.address import counted_as
from aiops.web.doors import guard

FRESH_S = 1.0
"""How old what is told may be: however many ask, one looks."""
TELL_S = 3.0
"""How often this process tells how it fares."""
LOOK_S = 0.5
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

logger = log.get(__name__)


class Metrics:
    """The page, and the last one that was made."""

    def __init__(self) -> None:
        self._looking = asyncio.Lock()
        self._made = (float("-inf"), b"")

    async def answer(self, request: Request) -> Response:
        """Return the page; 404 while nobody may read it, 401 without the right token."""
        await guard.in_thread(_check, request)
        async with self._looking:
            at, page = self._made
            if time.monotonic() - at > FRESH_S:
                page = await guard.in_thread(exposition.text)
                self._made = (time.monotonic(), page)
        return Response(page, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


def _check(request: Request) -> None:
    settings = django_settings.SETTINGS
    wanted = settings.metrics_token.get_secret_value()
    address = request.client.host if request.client else ""
    if _let_in(address, settings.networks_of_metrics()):
        return
    if not wanted:
        raise NotFound(
            "Nobody may read metrics here: set AIOPS_METRICS_TOKEN or AIOPS_METRICS_NETWORKS.", code="metrics_off"
        )
    wrong = f"wrong-token:{counted_as(address)}"
    if throttle.counted(wrong) >= settings.sign_ins_per_minute * identity.WRONG_TOKENS:
        raise TooMany("Too many wrong tokens from your address.", retry_after_s=throttle.seconds_left())
    sent = request.headers.get("authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {wanted}".encode()):
        throttle.count(wrong)
        raise Unauthenticated("Send 'Authorization: Bearer <AIOPS_METRICS_TOKEN>'.")


def _let_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in network for network in networks)
    except ValueError:
        return False  # it came through something that tells no address


async def tell(hub: Hub) -> None:
    """Tell how this web process fares, for ever."""
    process = f"{socket.gethostname()}:{os.getpid()}:web"
    loop = asyncio.get_running_loop()
    while True:
        until, lag_s = loop.time() + TELL_S, 0.0
        while loop.time() < until:
            begun = loop.time()
            await asyncio.sleep(LOOK_S)
            lag_s = max(lag_s, loop.time() - begun - LOOK_S)
        try:
            await guard.in_thread(_tell, process, {"viewers": hub.viewers, "loop_lag_seconds": lag_s})
        except Exception:  # figures must not end
            logger.exception("figures.broke")


def _tell(process: str, values: dict[str, float]) -> None:
    metrics.show(process, {**values, **database.pool_figures()})
