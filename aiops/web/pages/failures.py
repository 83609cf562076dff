"""Responses to requests that fail outside the API's views: a problem under /api/, a page elsewhere."""

from __future__ import annotations

import json
import sys

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from aiops.errors import AiopsError, Forbidden, Invalid, NotFound
from aiops.web import forgery
from aiops.web.api import problems


def refuse(request: HttpRequest, error: AiopsError) -> HttpResponse:
    """Respond with one of our own errors."""
    if request.path.startswith("/api/"):
        return problems.response(error)
    members, headers = problems.of(error)
    page = render(request, "web/failure.html", members, status=error.status)
    for name, value in headers.items():
        page[name] = value
    return page


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, Invalid("The request could not be read."))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refuse(request, Forbidden("You have no permission for this."))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    # Every API path ends with a slash, except that of a run's events.
    slash = "" if request.path.endswith("/") or not request.path.startswith("/api/") else " API paths end with a slash."
    return refuse(request, NotFound(f"There is nothing here for you.{slash}"))


@csrf_exempt
def only_get(request: HttpRequest, **_: object) -> HttpResponse:
    """Respond with 405 to other methods on a path that Starlette serves for GET."""
    detail = f"{request.method} is not possible here."
    members = problems.body(405, "method_not_allowed", "Method not allowed", detail)
    return HttpResponseNotAllowed(["GET"], json.dumps(members), content_type=problems.CONTENT_TYPE)


def crashed(request: HttpRequest) -> HttpResponse:
    """Respond with 503 if the database failed, otherwise with 500."""
    if isinstance(error := sys.exception(), OperationalError | InterfaceError):
        return refuse(request, problems.unavailable(error))
    return refuse(request, AiopsError(problems.CRASHED))


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    return refuse(request, forgery.refusal(request, reason))
