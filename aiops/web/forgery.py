"""Why Django took a form for forged, and what to do: an address that is set up wrongly looks like another site."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings as django_settings
from django.http import HttpRequest
from django.middleware import csrf

from aiops.errors import Forbidden

CODE = "csrf_failed"
OTHER_SITE = ("Origin checking failed", "Referer checking failed")
"""How Django's reasons begin (5.2); an API view puts its own words before them."""
MOST_SHOWN = 200


def refusal(request: HttpRequest, reason: str) -> Forbidden:
    """Return the error for a request that the CSRF check refused for this reason."""
    public = django_settings.SETTINGS.public_url
    if any(words in reason for words in OTHER_SITE):
        return Forbidden(_other_site(_origin(request), public), code=CODE)
    lost = csrf.REASON_NO_CSRF_COOKIE in reason and django_settings.CSRF_COOKIE_SECURE and not request.is_secure()
    if lost:
        detail = f"This page came over http, where a browser keeps no cookie of this server: open {public} instead."
        return Forbidden(detail, code=CODE)
    return Forbidden("This page is too old: reload it and try again.", code=CODE)


def _other_site(origin: str, public: str) -> str:
    if not origin:
        return "Your browser sent neither Origin nor Referer with this page: let it send one of them to this site."
    if public:
        return (
            f"This page came from {origin}, but AIOPS_PUBLIC_URL is {public}: open {public}, "
            "or set AIOPS_PUBLIC_URL to the address that people open."
        )
    return (
        f"This page came from {origin}, which is not an address of this server: set AIOPS_PUBLIC_URL to the address "
        "that people open, and let a proxy in front pass the Host header on."
    )


def _origin(request: HttpRequest) -> str:
    """Return where the page says it came from; empty if the browser sent nothing about it."""
    if origin := request.headers.get("Origin", ""):
        return origin[:MOST_SHOWN]
    try:
        parts = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"[:MOST_SHOWN] if parts.netloc else ""
