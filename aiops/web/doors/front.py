"""The outermost ASGI application: streams, static files and health beside Django, and the lifespan of the hub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from django.conf import settings as django_settings
from django.db import DatabaseError, InterfaceError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Receive, Scope, Send

from aiops import database, keyspace, log
from aiops.apps import features, load
from aiops.errors import AiopsError
from aiops.events.hub import Hub, Signal
from aiops.runs import states
from aiops.runs.models import Run
from aiops.web import exposition, health, identity
from aiops.web.api import problems
from aiops.web.doors import guard, metrics
from aiops.web.doors.access import AccessLog
from aiops.web.doors.connections import Connection
from aiops.web.doors.hosts import Hosts
from aiops.web.doors.limits import Limits
from aiops.web.doors.polling import LongPoll
from aiops.web.doors.shared import SharedQuery

FRESH_S = 1.0
"""Maximum age of the cached health result, seconds."""
RECONCILE_S = 3.0
"""Interval of the queries for watched runs that ended and viewers that signed out, seconds."""
STATIC = ["django_htmx", "rest_framework", "unfold", "django.contrib.admin"]

logger = log.get(__name__)


class CatchAll(BaseRoute):
    """Passes all other requests on to ``app``; a Mount does not match paths with a line break."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return Match.FULL, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def make(django: ASGIApp) -> Starlette:
    """Return the application that uvicorn serves."""
    settings = django_settings.SETTINGS
    ours = [feature.name for feature in features() if Path(feature.path, "static").is_dir()]
    packages: list[Any] = [(package, "static") for package in [*ours, *STATIC]]
    body_limits = {path: of(settings) for feature in features() for path, of in feature.body_limits.items()}
    return Starlette(
        routes=[
            Route("/favicon.ico", _icon),
            *(Route(path, endpoint) for path, endpoint in WATCHED.items()),
            *(Route(path, load(dotted)) for feature in features() for path, dotted in feature.streams.items()),
            Route("/api/runs/{id}/", LongPoll(django)),
            Mount("/static", StaticFiles(packages=packages)),
            CatchAll(django),
        ],
        middleware=[
            Middleware(AccessLog),
            Middleware(Limits, max_body_bytes=settings.max_body_bytes, of_path=body_limits, admit=guard.admit),
            Middleware(Hosts, allowed=django_settings.ALLOWED_HOSTS, any_host=WATCHED),
        ],
        exception_handlers={AiopsError: _problem, DatabaseError: _no_database},
        lifespan=_lifespan,
    )


@contextlib.asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    await asyncio.to_thread(database.refuse_unfinished_move)
    url = django_settings.SETTINGS.redis_url.get_secret_value()
    app.state.health = SharedQuery(lambda _: health.check(), every_s=FRESH_S)
    app.state.metrics = SharedQuery(lambda _: exposition.text(), every_s=metrics.FRESH_S)
    hub = app.state.hub = Hub(keyspace.async_client(url))
    hub.start()
    tasks = [
        asyncio.create_task(_reconcile(hub)),
        asyncio.create_task(metrics.report(hub)),
        asyncio.create_task(Connection.clients.share(hub.client, metrics.process())),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await hub.stop()


async def _reconcile(hub: Hub) -> None:
    """Notify viewers of runs that ended without an event reaching them, and dismiss viewers that signed out."""
    while True:
        await asyncio.sleep(RECONCILE_S)
        watched = hub.watched
        try:
            if watched:
                hub.notify(await guard.in_thread(_ended_among, watched), Signal.ENDED)
                hub.dismiss(await guard.in_thread(identity.ended, hub.credentials))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("rows.not_seen", error=str(error))


def _ended_among(run_ids: list[str]) -> list[str]:
    unfinished = Run.objects.filter(pk__in=run_ids, state__in=states.UNFINISHED).values_list("pk", flat=True)
    return sorted(set(run_ids) - {str(pk) for pk in unfinished})


async def _icon(request: Request) -> Response:
    return RedirectResponse("/static/web/icon.svg", status_code=301)


async def _live(request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def _ready(request: Request) -> Response:
    database, missing = await request.app.state.health.get(None, since=asyncio.get_running_loop().time() - FRESH_S)
    body = {"status": "ready" if database else "not ready", "degraded": missing}
    return JSONResponse(body, status_code=200 if database else 503)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, AiopsError)
    members, headers = problems.of(error)
    return JSONResponse(members, status_code=error.status, headers=headers, media_type=problems.CONTENT_TYPE)


async def _no_database(request: Request, error: Exception) -> Response:
    return await _problem(request, problems.unavailable(error))


WATCHED = {"/health/live": _live, "/health/ready": _ready, "/metrics": metrics.page}
"""What monitoring asks, by any name or address; nothing in these answers depends on it."""
