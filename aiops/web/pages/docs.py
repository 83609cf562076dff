"""The page that describes the API; everything on it is served from here."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from drf_spectacular.views import SpectacularSwaggerSplitView
from rest_framework.exceptions import NotAuthenticated
from rest_framework.renderers import TemplateHTMLRenderer

from aiops.web.api import problems


class Docs(SpectacularSwaggerSplitView):
    """``/api/docs/``: a browser that is not signed in is sent there, a program is told 401."""

    url_name = "schema"

    def handle_exception(self, exc: Exception) -> Any:
        """Return the way to the sign-in page, or the problem."""
        browses = TemplateHTMLRenderer.media_type in self.request.headers.get("Accept", "")
        if isinstance(exc, NotAuthenticated) and browses:
            return redirect_to_login(self.request.get_full_path())
        problem: Any = super().handle_exception(exc)
        headers = {**problem.headers, "Content-Type": problems.CONTENT_TYPE}
        return HttpResponse(json.dumps(problem.data), status=problem.status_code, headers=headers)
