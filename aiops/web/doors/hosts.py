"""Refuses unknown host names, against DNS rebinding."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.http.request import split_domain_port, validate_host
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from aiops.web.api import problems


class Hosts:
    """ASGI middleware that checks the Host header as Django does; its error names the cure.

    Paths in ``any_host`` are answered whatever the header says: probes and scrapes come by the address of a pod or a
    container.
    """

    def __init__(self, app: ASGIApp, *, allowed: Sequence[str], any_host: Collection[str] = ()) -> None:
        self._app = app
        self._allowed = allowed
        self._any_host = any_host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._any_host:
            await self._app(scope, receive, send)
            return
        names = Headers(scope=scope).getlist("host") if scope["type"] == "http" else ["localhost"]
        domain = split_domain_port(names[0])[0] if len(names) == 1 else ""
        if domain and validate_host(domain, self._allowed):
            await self._app(scope, receive, send)
            return
        name = domain[:100]
        detail = (
            f"{name!r} is not a name of this server. If a proxy stands in front, let it pass the Host header on "
            f"(nginx: proxy_set_header Host $http_host); otherwise add {name or 'the name'} to AIOPS_ALLOWED_HOSTS, "
            "or set AIOPS_PUBLIC_URL."
        )
        members = problems.body(400, "bad_host", "Unknown host", detail)
        await JSONResponse(members, status_code=400, media_type=problems.CONTENT_TYPE)(scope, receive, send)
