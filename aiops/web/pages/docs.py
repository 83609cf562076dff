"""The page that documents the API, made from the OpenAPI document by the server."""

from __future__ import annotations

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.errors import AiopsError, Unauthenticated
from aiops.web import identity
from aiops.web.api import problems
from aiops.web.pages import reference

HTML = "text/html"


@require_GET
def page(request: HttpRequest) -> HttpResponse:
    """Show every call to sessions and tokens; other browsers are redirected to sign in, other programs get 401."""
    if header := request.headers.get("Authorization", ""):
        try:
            request.user = identity.from_header(header, address=request.META.get("REMOTE_ADDR", "")).user
        except AiopsError as error:
            return problems.response(error)
    if not request.user.is_authenticated:
        if HTML in request.headers.get("Accept", ""):
            return redirect_to_login(request.get_full_path())
        return problems.response(Unauthenticated("You are not signed in."))
    return render(request, "web/docs.html", {"here": "docs", **reference.read()})


urlpatterns = [
    path("api/docs/", page, name="docs"),
]
