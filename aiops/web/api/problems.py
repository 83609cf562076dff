"""Errors as RFC 9457 ``application/problem+json``: our own, DRF's and Django's."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions
from rest_framework.response import Response

from aiops import log
from aiops.errors import AiopsError, Forbidden, Invalid, NotFound, TooLarge, TooMany, Unavailable, database_problem

CONTENT_TYPE = "application/problem+json"
DRF_CODES = {
    exceptions.NotAuthenticated: ("not_authenticated", "Not signed in"),
    exceptions.AuthenticationFailed: ("invalid_token", "Not signed in"),
    exceptions.PermissionDenied: ("forbidden", "Not allowed"),
    exceptions.NotFound: ("not_found", "Not found"),
    exceptions.MethodNotAllowed: ("method_not_allowed", "Method not allowed"),
    exceptions.NotAcceptable: ("not_acceptable", "Not acceptable"),
    exceptions.UnsupportedMediaType: ("unsupported_media_type", "Unsupported media type"),
    exceptions.ParseError: ("invalid_json", "Invalid request"),
    exceptions.Throttled: ("too_many", "Too many requests"),
}
CRASHED = "Something broke on our side; the log has the details."

logger = log.get(__name__)


def body(
    status: int, code: str, title: str, detail: str, *, errors: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """Return the members of a problem document."""
    members = {"type": f"urn:aiops:error:{code}", "title": title, "status": status, "detail": detail, "code": code}
    return members | ({"errors": errors} if errors else {})


def of(error: AiopsError) -> tuple[dict[str, Any], dict[str, str]]:
    """Return (members, headers) of one of our errors."""
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, TooMany | Unavailable) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    errors = error.errors if isinstance(error, Invalid) else None
    return body(error.status, error.code, error.title, error.detail, errors=errors), headers


def sentence(error: Exception) -> str:
    """Return an error as one sentence for a page: the reasons of its fields, else its detail."""
    ours = _as_ours(error)
    if isinstance(ours, Invalid) and ours.errors:
        return " ".join(f"{field}: {' '.join(reasons)}" for field, reasons in ours.errors.items())
    return str(ours.detail)


def unavailable(error: Exception) -> Unavailable:
    """Return the error for a failed database: its cause, if known, and its cure."""
    return Unavailable(f"{database_problem(error)} Nothing was changed.", code="database_unavailable")


def response(error: AiopsError) -> HttpResponse:
    """Return a problem outside DRF."""
    members, headers = of(error)
    return HttpResponse(json.dumps(members), status=error.status, headers=headers, content_type=CONTENT_TYPE)


def handle(error: Exception, context: dict[str, Any]) -> Response:
    """Turn any exception into a problem (DRF's exception handler)."""
    ours = _as_ours(error)
    members, headers = _of_drf(ours) if isinstance(ours, exceptions.APIException) else of(ours)
    made = Response(members, status=members["status"], headers=headers, content_type=CONTENT_TYPE)
    made.exception = True
    return made


def _as_ours(error: Exception) -> AiopsError | exceptions.APIException:
    """Return the error to show; unexpected ones are logged, and shown without any detail."""
    match error:
        case exceptions.ValidationError():
            fields = _fields(error.detail)
            return Invalid(f"Correct {', '.join(fields)}.", errors=fields)
        case AiopsError() | exceptions.APIException():
            return error
        case Http404() | ObjectDoesNotExist():  # deleted since the request began
            return NotFound("There is nothing here for you.")
        case PermissionDenied():
            return Forbidden(str(error) or "You have no permission for this.")
        case RequestDataTooBig():
            return TooLarge("The form's fields beside the file are larger than a body may be.")
        case SuspiciousOperation():
            return Invalid("The form has too many parts.")
        case OperationalError():
            logger.exception("database.failed")
            return unavailable(error)
    logger.exception("request.crashed")
    return AiopsError(CRASHED)


def _of_drf(error: exceptions.APIException) -> tuple[dict[str, Any], dict[str, str]]:
    code, title = DRF_CODES.get(type(error), (str(error.default_code), "Refused"))
    headers = {}
    if isinstance(error, exceptions.Throttled):
        headers["Retry-After"] = str(int(getattr(error, "wait", None) or 1))
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return body(error.status_code, code, title, str(error.detail)), headers


def _fields(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """Flatten DRF's nested reasons: field → reasons."""
    if isinstance(detail, list):
        return {prefix or "body": [str(reason) for reason in detail]}
    flat: dict[str, list[str]] = {}
    for name, inner in detail.items():
        inside = f"{prefix}.{name}" if prefix else str(name)
        key = (prefix or "body") if name == "non_field_errors" else inside
        flat.update(_fields(inner, key))
    return flat
