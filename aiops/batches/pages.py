"""The pages of batches: the user's batches with a form for another, and one with its items."""

from __future__ import annotations

from functools import partial
from typing import Any, cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET, require_POST
from rest_framework.exceptions import ValidationError

from aiops.batches import capacity, uploads
from aiops.batches import preview as previews
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch, Item
from aiops.batches.preview import Preview
from aiops.batches.shapes import BatchOptions
from aiops.errors import AiopsError
from aiops.llm import snapshot
from aiops.people.models import User
from aiops.web import markdown
from aiops.web.api import problems
from aiops.web.pages.listing import page_of
from aiops.web.pages.live import render_live

SHOWN = 50
SETTINGS = django_settings.SETTINGS
ENCODINGS = (
    ("windows-1252", "Excel, western Europe (windows-1252)"),
    ("windows-1250", "Excel, central Europe (windows-1250)"),
    ("windows-1251", "Excel, Cyrillic (windows-1251)"),
    ("iso-8859-1", "Latin-1 (iso-8859-1)"),
    ("cp850", "DOS, western Europe (cp850)"),
    ("macroman", "Excel on old Macs (macroman)"),
    ("shift_jis", "Japanese (shift_jis)"),
    ("gb18030", "Chinese (gb18030)"),
)
"""Encodings that the page offers; the API takes more."""


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show the user's batches, and the form for another."""
    mine = Batch.objects.filter(user=cast(User, request.user), deleted_at=None)
    context = {
        "here": "batches",
        "page": page_of(mine, request),
        "max_concurrency": SETTINGS.batch_concurrency,
        "encodings": ENCODINGS,
    }
    return render_live(request, "batches/batches.html", "batches/rows.html", context)


@require_POST
@login_required
def preview(request: HttpRequest) -> HttpResponse:
    """Render how the file that begins with the sent part would be read; ``?size=`` is the size of the whole, bytes."""
    size = int(given[:15]) if (given := request.GET.get("size", "")).isascii() and given.isdecimal() else 0
    context: dict[str, Any] = {"size": size}
    try:
        file, options = uploads.read_form(request, BatchOptions)
        plan = Plan.of_request(options, file_format=uploads.format_of(file))
        data = file.read()
        seen = previews.of(
            data,
            plan,
            SETTINGS,
            whole=size <= len(data),
            check_options=partial(snapshot.problem_with, settings=SETTINGS, user=cast(User, request.user)),
        )
        context |= {"name": file.name, "columns": plan.columns, "ignore_model": plan.ignore_model}
    except (AiopsError, ValidationError) as error:
        seen = Preview(whole=False, problem=problems.sentence(error))
    models = any("model" in line.options for line in seen.lines)
    return render(request, "batches/preview.html", {**context, "preview": seen, "has_models": models})


@require_GET
@login_required
@ensure_csrf_cookie
def page(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Show one batch with a page of its items."""
    return render(request, "batches/batch.html", _context(request, batch_id))


@require_GET
@login_required
def items(request: HttpRequest, batch_id: UUID) -> HttpResponse:
    """Render only the page of items, for htmx."""
    return render(request, "batches/batch_items.html", _context(request, batch_id))


def _context(request: HttpRequest, batch_id: UUID) -> dict[str, Any]:
    batch = get_object_or_404(Batch, pk=batch_id, user=cast(User, request.user), deleted_at=None)
    state, after = request.GET.get("state", ""), request.GET.get("after", "")
    rows = Item.objects.filter(batch=batch).select_related("run")
    if state in Item.State.values:
        rows = rows.filter(state=state)
    if after.isascii() and after.isdecimal():
        rows = rows.filter(number__gt=int(after[:9]))
    found = list(rows.order_by("number")[: SHOWN + 1])
    rendered = markdown.Page()
    for item in found[:SHOWN]:
        item.html = rendered.beginning(item.run.answer) if item.run else ""  # type: ignore[attr-defined]
    return {
        "here": "batches",
        "batch": batch,
        "currency": SETTINGS.currency,
        "bad": batch.settled - batch.succeeded,
        "waiting": capacity.waiting_of(batch),
        "items": found[:SHOWN],
        "next": found[SHOWN - 1].number if len(found) > SHOWN else None,
        "state": state if state in Item.State.values else "",
        "after": after if after.isdecimal() else "",
        "states": Item.State.choices,
    }


urlpatterns = [
    path("batches/", list_, name="batches"),
    path("batches/preview/", preview, name="batch-preview"),
    path("batches/<uuid:batch_id>/", page, name="batch"),
    path("batches/<uuid:batch_id>/items/", items, name="batch-items"),
]
