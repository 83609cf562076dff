"""What is shown when a request fails outside the API's views: a problem under /api/, a page elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt

from aiops.web.api import problems


def _fail(request: HttpRequest, status: int, code: str, title: str, detail: str) -> HttpResponse:
    if request.path.startswith("/api/"):
        return problems.plain(status, code, title, detail)
    return render(request, "web/failure.html", {"status": status, "title": title, "detail": detail}, status=status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400."""
    return _fail(request, 400, "invalid", "Invalid request", "The request could not be read.")


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    return _fail(request, 403, "forbidden", "Not allowed", "Your rights do not cover this.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404; every API path but a run's events ends with a slash."""
    slash = "" if request.path.endswith("/") or not request.path.startswith("/api/") else " API paths end with a slash."
    return _fail(request, 404, "not_found", "Not found", f"There is nothing here for you.{slash}")


@csrf_exempt
def only_get(request: HttpRequest, **_: object) -> HttpResponse:
    """405 for what is not a GET at a door beside Django."""
    response = _fail(
        request, 405, "method_not_allowed", "Method not allowed", f"{request.method} is not possible here."
    )
    response["Allow"] = "GET"
    return response


def crashed(request: HttpRequest) -> HttpResponse:
    """500."""
    return _fail(
        request, 500, "internal_error", "Internal error", "Something broke on our side; the log has the details."
    )


def csrf(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a POST without its CSRF token."""
    return _fail(request, 403, "csrf_failed", "Not allowed", "This form is too old: reload the page and try again.")
