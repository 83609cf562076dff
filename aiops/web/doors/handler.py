"""Runs Django behind Starlette: each request in one pool thread, from its first middleware to its last.

Django's own ASGI handler starts a thread per request and switches between it and the loop at each middleware: eighteen
switches, a fifth of the CPU time of a POST (Django 5.2, measured in November 2026).
"""

from __future__ import annotations

import asyncio
import contextvars
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.core import signals
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix
from django.utils.functional import SimpleLazyObject, empty

from aiops.errors import Invalid
from aiops.web.api import problems
from aiops.web.doors import access

THREADS = 32
NOT_UTF8 = Invalid("The path or the query is not UTF-8.")
"""For requests from which Django cannot even make an object."""

_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="django")


class Handler(ASGIHandler):
    """An ASGI handler for synchronous middleware and views, which all of ours are."""

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        loop, here = asyncio.get_running_loop(), contextvars.copy_context()
        response = await loop.run_in_executor(_threads, here.run, self._answer, scope, body)
        await self.send_response(response, send)
        if response.streaming:
            await loop.run_in_executor(_threads, response.close)

    def _answer(self, scope: Any, body: Any) -> HttpResponseBase:
        """Return the response; closing it here returns the database connection in the thread that took it."""
        with body:
            set_script_prefix(get_script_prefix(scope))
            signals.request_started.send(sender=self.__class__, scope=scope)
            request, _ = self.create_request(scope, body)
            response = self.get_response(request) if request is not None else problems.response(NOT_UTF8)
            if request is not None:
                scope[access.USER] = _name_of_user(request)
            if not response.streaming:
                response.close()
        return response


def _name_of_user(request: Any) -> str:
    """Return the name of the user, if the view or a middleware identified one: this makes no query."""
    user = getattr(request, "user", None)
    if isinstance(user, SimpleLazyObject) and user._wrapped is empty:
        return ""
    return str(user.get_username()) if user is not None else ""
