"""Pages with a part that refreshes itself (see ``refresh.js``)."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def render_live(request: HttpRequest, page: str, part: str, context: dict[str, Any]) -> HttpResponse:
    """Render the whole page, or only its part when the page asks for that again."""
    return render(request, part if request.headers.get("HX-Request") else page, context)
