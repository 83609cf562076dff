"""``GET /metrics``, for callers with the token or from an allowed network; and this process's own gauges."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import os
import socket
from collections.abc import Sequence

from django.conf import settings as django_settings
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from aiops import database, log, metrics
from aiops.errors import NotFound, TooMany, Unauthenticated
from aiops.events.hub import Hub
from aiops.web import identity, throttle
from aiops.web.address import counted_as
from aiops.web.doors import guard

FRESH_S = 1.0
"""Maximum age of the cached page, seconds."""
REPORT_S = 3.0
"""Interval between reports of this process's gauges."""
SAMPLE_S = 0.5
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

logger = log.get(__name__)


async def page(request: Request) -> Response:
    """Return the metrics; 404 unless a token or a network is configured, 401 without the right token."""
    await guard.in_thread(_check, request)
    text = await request.app.state.metrics.get(None, since=asyncio.get_running_loop().time() - FRESH_S)
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


def _check(request: Request) -> None:
    settings = django_settings.SETTINGS
    address = request.client.host if request.client else ""
    if _is_in(address, settings.networks_of_metrics()):
        return
    wanted = settings.metrics_token.get_secret_value()
    if not wanted:
        raise NotFound("Metrics are off: set AIOPS_METRICS_TOKEN or AIOPS_METRICS_NETWORKS.", code="metrics_off")
    wrong = f"wrong-token:{counted_as(address)}"
    if throttle.counted(wrong) >= settings.sign_ins_per_minute * identity.WRONG_TOKENS:
        raise TooMany("Too many wrong tokens from your address.", retry_after_s=throttle.seconds_left())
    sent = request.headers.get("authorization", "")
    if not hmac.compare_digest(sent.encode(), f"Bearer {wanted}".encode()):
        throttle.count(wrong)
        raise Unauthenticated("Send 'Authorization: Bearer <AIOPS_METRICS_TOKEN>'.")


def _is_in(address: str, networks: Sequence[Network]) -> bool:
    try:
        return any(ipaddress.ip_address(address) in network for network in networks)
    except ValueError:
        return False  # a proxy that passes no address on


def process() -> str:
    """Return the name under which this web process reports."""
    return f"{socket.gethostname()}:{os.getpid()}:web"


async def report(hub: Hub) -> None:
    """Report the gauges of this web process, for ever."""
    loop = asyncio.get_running_loop()
    while True:
        until, lag_s = loop.time() + REPORT_S, 0.0
        while loop.time() < until:
            begun = loop.time()
            await asyncio.sleep(SAMPLE_S)
            lag_s = max(lag_s, loop.time() - begun - SAMPLE_S)
        try:
            await guard.in_thread(_report, process(), {"viewers": hub.viewers, "loop_lag_seconds": lag_s})
        except Exception:  # the reports must continue
            logger.exception("figures.broke")


def _report(process: str, values: dict[str, float]) -> None:
    metrics.show(process, {**values, **database.pool_figures()})
