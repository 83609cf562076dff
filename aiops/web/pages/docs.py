"""The page that documents the API; all its files are served by this server."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.urls import path
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.exceptions import NotAuthenticated
from rest_framework.renderers import TemplateHTMLRenderer

from aiops.web.api import problems


class Docs(SpectacularSwaggerSplitView):
    """``/api/docs/``: without a session, a browser is redirected to sign in, a program gets 401."""

    url_name = "schema"

    def handle_exception(self, exc: Exception) -> Any:
        browses = TemplateHTMLRenderer.media_type in self.request.headers.get("Accept", "")
        if isinstance(exc, NotAuthenticated) and browses:
            return redirect_to_login(self.request.get_full_path())
        problem: Any = super().handle_exception(exc)
        headers = {**problem.headers, "Content-Type": problems.CONTENT_TYPE}
        return HttpResponse(json.dumps(problem.data), status=problem.status_code, headers=headers)


urlpatterns = [
    path("api/docs/", Docs.as_view(), name="docs"),
]
