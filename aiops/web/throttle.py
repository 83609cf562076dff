"""Requests per minute in all web processes: of users, and wrong passwords and tokens by address.

While Redis does not answer, each process counts for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings as django_settings
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from aiops import keyspace
from aiops.errors import TooMany
from aiops.web.counts import shared
from aiops.web.pages import failures

WINDOW_S = 60
KEPT_S = WINDOW_S * 2
PORTIONS = 100
"""A process takes a hundredth of a limit at a time, so that few requests wait for Redis."""


def take(key: str, most: int) -> bool:
    """Count a request; return whether it is one of this minute's first ``most`` of all processes."""
    slot, left = _slot(key), f"{_slot(key)}:left"
    if _add(left, -1) >= 0:
        return True
    _add(left, 1)
    portion = max(1, most // PORTIONS)
    total = shared.add(slot, portion, ttl_s=KEPT_S)
    if total is None:
        return _add(slot, 1) <= most
    granted = portion - max(0, total - most)
    if granted > 0:
        _add(left, granted - 1)
    return granted > 0


def count(key: str) -> None:
    """Add one to this minute's failures."""
    _add(_slot(key), 1)
    shared.add(_slot(key), 1, ttl_s=KEPT_S)


def counted(key: str) -> int:
    """Return this minute's failures; of this process alone if Redis does not answer."""
    return max(int(cache.get(_slot(key), 0)), shared.read(_slot(key)) or 0)


def _slot(key: str) -> str:
    return keyspace.throttle(key, int(time.time() // WINDOW_S))


def _add(slot: str, by: int) -> int:
    """Add to a count of this process and return it."""
    cache.add(slot, 0, timeout=KEPT_S)  # does nothing if the slot exists
    return int(cache.incr(slot, by))


def seconds_left() -> int:
    """Return the seconds until the next minute."""
    return WINDOW_S - int(time.time()) % WINDOW_S


def pages(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: limit page requests per user, as API calls are limited."""

    def serve(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if request.path.startswith("/api/") or not user.is_authenticated:
            return get_response(request)
        if take(f"page:{user.pk}", django_settings.SETTINGS.requests_per_minute):
            return get_response(request)
        wait_s = seconds_left()
        return failures.refuse(request, TooMany(f"Wait {wait_s} seconds.", retry_after_s=wait_s))

    return serve


class PerUser(BaseThrottle):
    """Limits the API calls of one user."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:  # refused by the permission
            return True
        return take(f"api:{request.user.pk}", django_settings.SETTINGS.requests_per_minute)

    def wait(self) -> float:
        return float(seconds_left())
