"""The pages of batches: the user's batches with a form for another, and one with its items."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.batches.models import Batch, Item
from aiops.people.models import User

SHOWN = 50


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show the user's batches, and the form for another."""
    mine = Batch.objects.filter(user=cast(User, request.user), deleted_at=None)
    if before := _parse_id(request.GET.get("before", "")):
        mine = mine.filter(pk__lt=before)
    rows = list(mine.order_by("-pk")[: SHOWN + 1])
    context = {
        "here": "batches",
        "batches": rows[:SHOWN],
        "older": rows[SHOWN - 1].pk if len(rows) > SHOWN else None,
        "max_concurrency": django_settings.SETTINGS.batch_concurrency,
    }
    return render(request, "batches/batches.html", context)


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
    return {
        "here": "batches",
        "batch": batch,
        "bad": batch.settled - batch.succeeded,
        "items": found[:SHOWN],
        "next": found[SHOWN - 1].number if len(found) > SHOWN else None,
        "state": state if state in Item.State.values else "",
        "after": after if after.isdecimal() else "",
        "states": Item.State.choices,
    }


def _parse_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


urlpatterns = [
    path("batches/", list_, name="batches"),
    path("batches/<uuid:batch_id>/", page, name="batch"),
    path("batches/<uuid:batch_id>/items/", items, name="batch-items"),
]
