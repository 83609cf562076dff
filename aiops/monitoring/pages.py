"""The page of the run-book, which each alert links to."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.monitoring import runbook
from aiops.web import markdown


@require_GET
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Show what to do about each alert."""
    introduction, entries = runbook.entries()
    shown = [{"alert": one.alert, "anchor": one.anchor, "html": markdown.render(one.text)} for one in entries]
    context = {"here": "runbook", "introduction": markdown.render(introduction), "entries": shown}
    return render(request, "monitoring/runbook.html", context)


urlpatterns = [
    path("runbook/", page, name="runbook"),
]
