"""Errors as RFC 9457 ``application/problem+json``, from our own error tree, DRF's and Django's."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from aiops import log
from aiops.errors import AiopsError, Invalid, TooMany, Unavailable, tells_of_full_disk

CONTENT_TYPE = "application/problem+json"
DRF_CODES = {
    exceptions.NotAuthenticated: ("not_authenticated", "Not signed in"),
    exceptions.AuthenticationFailed: ("invalid_token", "Not signed in"),
    exceptions.PermissionDenied: ("forbidden", "Not allowed"),
    exceptions.NotFound: ("not_found", "Not found"),
    exceptions.MethodNotAllowed: ("method_not_allowed", "Method not allowed"),
    exceptions.NotAcceptable: ("not_acceptable", "Not acceptable"),
    exceptions.UnsupportedMediaType: ("unsupported_media_type", "Unsupported media type"),
    exceptions.Throttled: ("too_many", "Too many requests"),
}

logger = log.get(__name__)


def body(
    status: int, code: str, title: str, detail: str, *, errors: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return a problem's members."""
    made: dict[str, Any] = {
        "type": f"urn:aiops:error:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "code": code,
    }
    return {**made, "errors": errors} if errors else made


def of(error: AiopsError) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (members, headers) of one of our errors."""
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, TooMany | Unavailable) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    errors = error.errors if isinstance(error, Invalid) else None
    return body(error.status, error.code, error.title, error.detail, errors=errors), headers


def unavailable(error: Exception) -> Unavailable:
    """Return what a person is told when the database fails: its cause where we know it, and the cure."""
    full = tells_of_full_disk(error)
    detail = "The disk of the database is full: make room." if full else "The database does not answer: try again."
    return Unavailable(f"{detail} Nothing was changed.", code="database_unavailable")


def plain(status: int, code: str, title: str, detail: str) -> HttpResponse:
    """Return a problem outside DRF."""
    return HttpResponse(json.dumps(body(status, code, title, detail)), status=status, content_type=CONTENT_TYPE)


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """DRF's exception handler; the unexpected is logged and told as 500 without its inside."""
    headers: dict[str, str] = {}
    if isinstance(error, AiopsError):
        members, headers = of(error)
    elif isinstance(error, exceptions.ValidationError):
        fields = _fields(error.detail)
        members = body(400, "invalid", "Invalid request", f"Correct {', '.join(fields)}.", errors=fields)
    elif isinstance(error, Http404):
        members = body(404, "not_found", "Not found", "There is nothing here for you.")
    elif isinstance(error, PermissionDenied):
        members = body(403, "forbidden", "Not allowed", str(error) or "Your rights do not cover this.")
    elif isinstance(error, exceptions.APIException):
        members, headers = _of_drf(error)
    elif isinstance(error, OperationalError):
        logger.exception("database.failed")
        members, headers = of(unavailable(error))
    else:
        logger.exception("request.crashed")
        members = body(500, "internal_error", "Internal error", "Something broke on our side; the log has the details.")
    response = Response(members, status=members["status"], headers=headers, content_type=CONTENT_TYPE)
    response.exception = True
    return response


def _of_drf(error: exceptions.APIException) -> tuple[dict[str, Any], dict[str, str]]:
    code, title = DRF_CODES.get(type(error), (str(error.default_code), "Refused"))
    if isinstance(error, exceptions.ParseError):
        code, title = "invalid_json", "Invalid request"
    headers = {}
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(int(getattr(error, "wait", None) or 1))
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return body(error.status_code, code, title, str(error.detail)), headers


def _fields(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Return DRF's nested reasons flat: field → reasons."""
    if isinstance(detail, list):
        return {prefix or "body": [str(reason) for reason in detail]}
    flat: dict[str, list[str]] = {}
    for name, inner in detail.items():
        key = "body" if name == "non_field_errors" else f"{prefix}.{name}" if prefix else str(name)
        flat.update(_fields(inner, key))
    return flat
