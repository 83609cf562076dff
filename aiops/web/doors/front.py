"""The outermost application: the doors, static files and health beside Django, and the lifespan of the hub."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

from django.conf import settings as django_settings
from django.db import DatabaseError, InterfaceError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from aiops import keyspace, log
from aiops.conversations.models import Run
from aiops.errors import AiopsError
from aiops.events.hub import Hub, Signal
from aiops.web import health, identity
from aiops.web.api import problems
from aiops.web.doors import batches, guard, metrics, sse
from aiops.web.doors.hosts import Hosts
from aiops.web.doors.limits import Limits
from aiops.web.doors.polling import LongPoll

FRESH_S = 1.0
"""How old what is told of health may be."""
LOOK_S = 3.0
"""How often the rows of all watched runs are looked at, in one query."""
BATCHES = "/api/batches/"
"""Takes a file."""
STATIC = ["aiops.web", "drf_spectacular_sidecar", "django_htmx", "rest_framework", "unfold", "django.contrib.admin"]

logger = log.get(__name__)


def make(django: ASGIApp) -> Starlette:
    """Return the application that uvicorn serves."""
    settings = django_settings.SETTINGS
    packages: list[Any] = [(package, "static") for package in STATIC]
    return Starlette(
        routes=[
            Route("/favicon.ico", _icon),
            Route("/health/live", _live),
            Route("/health/ready", _ready),
            Route("/metrics", metrics.Metrics().answer),
            Route("/api/runs/{id}/events", sse.events),
            Route("/api/runs/{id}/", LongPoll(django)),
            Route("/api/batches/{id}/events/", batches.events),
            Route("/api/batches/{id}/results/", batches.results),
            Route("/api/batches/{id}/errors/", batches.errors),
            Mount("/static", StaticFiles(packages=packages)),
            Mount("/", django),
        ],
        middleware=[
            Middleware(
                Limits,
                max_body_bytes=settings.max_body_bytes,
                of_path={BATCHES: settings.max_batch_bytes + settings.max_body_bytes},
            ),
            Middleware(Hosts, allowed=django_settings.ALLOWED_HOSTS),
        ],
        exception_handlers={AiopsError: _problem, DatabaseError: _no_database},
        lifespan=_lifespan,
    )


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    url = django_settings.SETTINGS.redis_url.get_secret_value()
    app.state.looking, app.state.health = asyncio.Lock(), (float("-inf"), (False, []))
    hub = app.state.hub = Hub(keyspace.async_client(url))
    hub.start()
    tasks = [asyncio.create_task(_look_at_rows(hub)), asyncio.create_task(metrics.tell(hub))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await hub.stop()


async def _look_at_rows(hub: Hub) -> None:
    """Tell viewers of runs that ended without an event reaching them, and dismiss those who signed out meanwhile."""
    while True:
        await asyncio.sleep(LOOK_S)
        watched = hub.watched
        try:
            if watched:
                hub.nudge(await guard.in_thread(_ended_among, watched), Signal.ENDED)
                hub.dismiss(await guard.in_thread(identity.ended, hub.let_in))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("rows.not_seen", error=str(error))


def _ended_among(run_ids: list[str]) -> list[str]:
    unfinished = Run.objects.filter(pk__in=run_ids, state__in=Run.UNFINISHED).values_list("pk", flat=True)
    return sorted(set(run_ids) - {str(pk) for pk in unfinished})


async def _icon(request: Request) -> Response:
    return RedirectResponse("/static/web/icon.svg", status_code=301)


async def _live(request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    async with request.app.state.looking:  # however many ask, one looks
        at, seen = request.app.state.health
        if time.monotonic() - at > FRESH_S:
            seen = await guard.in_thread(health.look)
            request.app.state.health = (time.monotonic(), seen)
    database, missing = seen
    body = {"status": "ready" if database else "not ready", "degraded": missing}
    return JSONResponse(body, status_code=200 if database else 503)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, AiopsError)
    members, headers = problems.of(error)
    return JSONResponse(members, status_code=error.status, headers=headers, media_type=problems.CONTENT_TYPE)


async def _no_database(request: Request, error: Exception) -> Response:
    members, headers = problems.of(problems.unavailable(error))
    return JSONResponse(members, status_code=503, headers=headers, media_type=problems.CONTENT_TYPE)
