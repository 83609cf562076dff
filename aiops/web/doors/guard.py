"""Who may pass a door: checks Host, Origin and rights, each in a thread whose database connection is closed after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings as django_settings
from django.db import close_old_connections, connection
from django.db.models import QuerySet
from starlette.requests import Request

from aiops.batches.models import Batch
from aiops.conversations.models import Run
from aiops.errors import Forbidden, NotFound, TooMany
from aiops.people.models import User
from aiops.web import identity, throttle
from aiops.web.identity import Pass

T = TypeVar("T")
_threads = ThreadPoolExecutor(16, thread_name_prefix="doors")


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run database work in a thread and leave no connection behind."""
    return await asyncio.get_running_loop().run_in_executor(_threads, _with_connection, function, args)


def _with_connection(function: Callable[..., T], args: tuple[Any, ...]) -> T:
    close_old_connections()
    try:
        return function(*args)
    finally:
        connection.close()


async def run_of_caller(request: Request) -> tuple[Run, Pass]:
    """Return the run that is asked for, and what let the caller in; raises NotFound also when it is somebody else's."""
    check_origin(request)
    run, let_in = await in_thread(_find, request, Run.objects.all(), "run")
    return run, let_in


async def batch_of_caller(request: Request) -> tuple[Batch, Pass]:
    """Return the batch that is asked for, and what let the caller in; raises NotFound as for runs."""
    check_origin(request)
    batch, let_in = await in_thread(_find, request, Batch.objects.filter(deleted_at=None), "batch")
    return batch, let_in


def check_origin(request: Request) -> None:
    """Refuse a browser that comes from another site; raises Forbidden."""
    host = request.headers.get("host")
    ours = {f"http://{host}", f"https://{host}", *django_settings.CSRF_TRUSTED_ORIGINS}
    if not ours.issuperset(request.headers.getlist("origin")):
        raise Forbidden("This page may not read streams from here.", code="bad_origin")


def _find(request: Request, rows: QuerySet[Any], what: str) -> tuple[Any, Pass]:
    user, let_in = _caller(request)
    if throttle.count(f"api:{user.pk}") > django_settings.SETTINGS.requests_per_minute:
        raise TooMany("Too many requests.", retry_after_s=throttle.seconds_left())
    try:
        wanted = UUID(request.path_params["id"])
    except ValueError:
        raise NotFound(f"There is no such {what}.") from None
    found = rows.filter(pk=wanted, user=user.pk).first()
    if found is None:
        raise NotFound(f"There is no such {what}.")
    return found, let_in


def _caller(request: Request) -> tuple[User, Pass]:
    header = request.headers.get("authorization", "")
    if header:
        token = identity.from_header(header, address=request.client.host if request.client else "")
        return token.user, Pass(token.user.pk, token_id=token.pk)
    return identity.from_session(request.cookies.get(django_settings.SESSION_COOKIE_NAME, ""))
