"""Requests per minute in this web process: of users, and wrong passwords and tokens by address."""

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

from aiops.errors import TooMany
from aiops.web.pages import failures

WINDOW_S = 60


def count(key: str) -> int:
    """Add one to this minute's count and return it."""
    slot = f"throttle:{key}:{int(time.time() // WINDOW_S)}"
    cache.add(slot, 0, timeout=WINDOW_S * 2)  # does nothing if the slot exists
    return int(cache.incr(slot))


def counted(key: str) -> int:
    """Return this minute's count."""
    return int(cache.get(f"throttle:{key}:{int(time.time() // WINDOW_S)}", 0))


def seconds_left() -> int:
    """Return the seconds until the next minute."""
    return WINDOW_S - int(time.time()) % WINDOW_S


def pages(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: limit page requests per user, as API calls are limited."""

    def serve(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if request.path.startswith("/api/") or not user.is_authenticated:
            return get_response(request)
        if count(f"page:{user.pk}") <= django_settings.SETTINGS.requests_per_minute:
            return get_response(request)
        wait_s = seconds_left()
        return failures.refuse(request, TooMany(f"Wait {wait_s} seconds.", retry_after_s=wait_s))

    return serve


class PerUser(BaseThrottle):
    """Limits the API calls of one user."""

    def allow_request(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:  # refused by the permission
            return True
        return count(f"api:{request.user.pk}") <= django_settings.SETTINGS.requests_per_minute

    def wait(self) -> float:
        return float(seconds_left())
