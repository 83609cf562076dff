"""Counts requests per minute in this web process: of a user at the API, of an address at wrong passwords and tokens."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings as django_settings
from django.core.cache import cache
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

WINDOW_S = 60


def count(key: str) -> int:
    """Count one more in this minute and return how many there were."""
    slot = f"throttle:{key}:{int(time.time() // WINDOW_S)}"
    cache.add(slot, 0, timeout=WINDOW_S * 2)
    return int(cache.incr(slot))


def counted(key: str) -> int:
    """Return how many there were in this minute."""
    return int(cache.get(f"throttle:{key}:{int(time.time() // WINDOW_S)}", 0))


def seconds_left() -> int:
    """Return when the next minute begins, seconds."""
    return WINDOW_S - int(time.time()) % WINDOW_S


def pages(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware: limit the pages of one signed-in user as calls are."""

    def serve(request: HttpRequest) -> HttpResponseBase:
        user = request.user
        if request.path.startswith("/api/") or not user.is_authenticated:
            return get_response(request)
        if count(f"page:{user.pk}") <= django_settings.SETTINGS.requests_per_minute:
            return get_response(request)
        context = {"status": 429, "title": "Too many requests", "detail": f"Wait {seconds_left()} seconds."}
        response = render(request, "web/failure.html", context, status=429)
        response["Retry-After"] = str(seconds_left())
        return response

    return serve


class PerUser(BaseThrottle):
    """Limits the API calls of one user."""

    def allow_request(self, request: Request, view: Any) -> bool:
        """Whether this call is within the limit; strangers are refused elsewhere."""
        if not request.user.is_authenticated:
            return True
        return count(f"api:{request.user.pk}") <= django_settings.SETTINGS.requests_per_minute

    def wait(self) -> float:
        """Return when to come back, seconds."""
        return float(seconds_left())
