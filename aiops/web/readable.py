"""Refuses requests whose path, query or character set cannot be read as text, before anything uses them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase

from aiops import untrusted
from aiops.errors import Invalid
from aiops.web.pages import failures

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
CHARSETS = ("utf-8", "utf8", "us-ascii")
NOT_UTF8 = "It is not UTF-8."


def middleware(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """Django middleware, first in the list: refuse unreadable requests, and drop unreadable cookies."""

    def serve(request: HttpRequest) -> HttpResponseBase:
        if untrusted.fault(request.path):
            raise Http404
        errors = _faults_of_charset(request) | _faults_of_query(request.META.get("QUERY_STRING", ""))
        if errors:
            return failures.refuse(request, Invalid(f"Correct {', '.join(errors)}.", errors=errors))
        request.encoding = "utf-8"
        request.COOKIES = {name: value for name, value in request.COOKIES.items() if not untrusted.fault(value)}
        return get_response(request)

    return serve


def _faults_of_charset(request: HttpRequest) -> dict[str, list[str]]:
    """Return why a form's character set is refused; JSON is UTF-8 whatever its header says (RFC 8259)."""
    charset = (request.content_params or {}).get("charset", "utf-8").lower()
    if request.content_type not in FORMS or charset in CHARSETS:
        return {}
    return {"Content-Type": ["Send forms in UTF-8."]}


def _faults_of_query(query: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for pair in parse_qsl(query, keep_blank_values=True, encoding="latin-1"):
        name, value = (_utf8(part) for part in pair)
        reason = NOT_UTF8 if name is None or value is None else untrusted.fault(name) or untrusted.fault(value)
        if reason:
            found[untrusted.clean(name or "")[:100] or "query"] = [reason]
    return found


def _utf8(text: str) -> str | None:
    """Decode UTF-8 bytes that were decoded as Latin-1; None if they are not UTF-8."""
    try:
        return text.encode("latin-1").decode()
    except ValueError:
        return None
