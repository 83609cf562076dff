"""Admission to streams: checks Origin, rate and ownership, in threads that leave no database connection open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings as django_settings
from django.db.models import QuerySet
from starlette.requests import Request
from starlette.types import Scope

from aiops import database
from aiops.batches.models import Batch
from aiops.conversations.models import Conversation
from aiops.errors import Forbidden, NotFound, TooMany
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.web import identity, throttle
from aiops.web.doors import access
from aiops.web.identity import Pass

T = TypeVar("T")
_threads = ThreadPoolExecutor(16, thread_name_prefix="doors")


async def in_thread(function: Callable[..., T], *args: Any) -> T:
    """Run database work in a thread, and close its connection."""
    return await asyncio.get_running_loop().run_in_executor(_threads, database.with_connection, function, *args)


async def run_of_caller(request: Request) -> tuple[Run, Pass]:
    """Return the caller's run and their pass; raises NotFound also for runs of other users."""
    return await in_thread(_find, request, Run.objects.all(), "run")


async def batch_of_caller(request: Request) -> tuple[Batch, Pass]:
    """Return the caller's batch and their pass; raises NotFound also for batches of other users."""
    return await in_thread(_find, request, Batch.objects.filter(deleted_at=None), "batch")


async def conversation_of_caller(request: Request) -> tuple[Conversation, Pass]:
    """Return the caller's conversation and their pass; raises NotFound also for those of other users."""
    return await in_thread(_find, request, Conversation.objects.all(), "conversation")


async def holder(request: Request, permission: str) -> tuple[User, Pass]:
    """Return the caller and their pass; raises Forbidden without the permission."""
    return await in_thread(_holder, request, permission)


async def admit(scope: Scope) -> None:
    """Check that the sender of a large body is signed in; raises Unauthenticated or TooMany."""
    await in_thread(_caller, Request(scope))


def _find(request: Request, rows: QuerySet[Any], what: str) -> tuple[Any, Pass]:
    user, let_in = _admitted(request)
    try:
        found = rows.filter(pk=UUID(request.path_params["id"]), user=user.pk).first()
    except ValueError:
        found = None
    if found is None:
        raise NotFound(f"There is no such {what}.")
    return found, let_in


def _holder(request: Request, permission: str) -> tuple[User, Pass]:
    user, let_in = _admitted(request)
    if not user.has_perm(permission):
        raise Forbidden(f"This needs the permission {permission}: ask an administrator.")
    return user, let_in


def _admitted(request: Request) -> tuple[User, Pass]:
    host = request.headers.get("host")
    ours = {f"http://{host}", f"https://{host}", *django_settings.CSRF_TRUSTED_ORIGINS}
    if not ours.issuperset(request.headers.getlist("origin")):
        raise Forbidden("Pages of other sites may not read streams.", code="bad_origin")
    user, let_in = _caller(request)
    if not throttle.take(f"api:{user.pk}", django_settings.SETTINGS.requests_per_minute):
        raise TooMany("Too many requests.", retry_after_s=throttle.seconds_left())
    return user, let_in


def _caller(request: Request) -> tuple[User, Pass]:
    header = request.headers.get("authorization", "")
    if header:
        token = identity.from_header(header, address=request.client.host if request.client else "")
        user, let_in = token.user, Pass(token.user.pk, token_id=token.pk)
    else:
        user, let_in = identity.from_session(request.cookies.get(django_settings.SESSION_COOKIE_NAME, ""))
    request.scope[access.USER] = user.get_username()
    return user, let_in
