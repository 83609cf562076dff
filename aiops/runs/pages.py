"""The pages of runs: a list with filters, and one run with everything known about it."""

from __future__ import annotations

import json
from datetime import datetime
from itertools import accumulate
from typing import Any, cast
from uuid import UUID

import redis
from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.events import stream, types
from aiops.events.types import cut
from aiops.people.models import User
from aiops.runs import listing, sources, states, waiting
from aiops.runs.api.filters import RunFilters
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web import health, markdown
from aiops.web.pages.listing import page_of
from aiops.web.pages.live import render_live

EVENTS_READ = 1_000
EVENT_BYTES = 300
GROWING = (types.DELTA, types.THINKING)
MISSING = {"workers": "No worker is running.", "broker": "No message broker answers."}
OF_ALL_EVENTS = ("run", "fence", "seq", "at")


@require_GET
@login_required
def list_(request: HttpRequest) -> HttpResponse:
    """Show runs, newest first; only the rows when the page refreshes itself."""
    user = cast(User, request.user)
    filters = RunFilters(request.GET, listing.with_facts(listing.visible_to(user)), request=request)
    found = filters.qs if filters.is_valid() else Run.objects.none()
    page = page_of(found.defer("answer", "steps"), request)  # which may be large
    context = {
        "here": "runs",
        "page": page,
        "rows": [_row(run) for run in page.rows],
        "sees_all": user.has_perm(listing.VIEW_ALL),
        "filters": filters,
        "is_filtered": any(request.GET.get(name) for name in filters.filters),
        "states": states.CHOICES,
        "sources": sources.CHOICES,
    }
    return render_live(request, "runs/runs.html", "runs/rows.html", context)


@require_GET
@login_required
def page(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Show one run; only its facts when the page refreshes itself."""
    user = cast(User, request.user)
    run = get_object_or_404(listing.with_facts(listing.visible_to(user)).select_related("message"), pk=run_id)
    events, problem = _events(run)
    context = {
        "here": "runs",
        **_row(run),
        "is_own": run.user_id == user.pk,
        "approval": waiting.approval_of(run),
        "message": run.message,
        "steps": [{**step, "arguments_text": _json(step["arguments"])} for step in run.steps],
        "html": markdown.Page().render(run.answer) if run.answer else "",
        "partial": stream.partial_answer(str(run.pk)) if run.state == State.RUNNING else "",
        "timeline": _timeline(run),
        "events": events,
        "events_problem": problem,
        "events_kept_s": django_settings.SETTINGS.stream_ttl_s,
    }
    return render_live(request, "runs/run.html", "runs/facts.html", context)


def _row(run: Any) -> dict[str, Any]:
    """Return what the list and the page show of a run."""
    usage = run.usage or {}
    ends = run.finished_at
    return {
        "run": run,
        "prompt": listing.prompt_of(run),
        "took_s": (ends - run.queued_at).total_seconds() if ends else None,
        "model": usage.get("model") or run.options.get("model") or "",
        "tokens": usage.get("input_tokens", 0) + usage.get("output_tokens", 0),
        "ended": run.state in states.ENDED,
    }


def _timeline(run: Run) -> list[dict[str, Any]]:
    """Return the parts of the run's time until now: name, seconds and share of the whole in per cent."""
    marks = [
        ("waited", run.queued_at, run.started_at),
        ("until the first words", run.started_at, run.first_delta_at),
        ("answered", run.first_delta_at or run.started_at, run.finished_at),
    ]
    parts = [(name, (end - begin).total_seconds()) for name, begin, end in marks if begin and end]
    whole = sum(seconds for _, seconds in parts)
    shares = [100 * seconds / whole if whole > 0 else 0.0 for _, seconds in parts]
    begins = [0.0, *accumulate(shares)]
    return [
        {"name": name, "s": max(seconds, 0.0), "share": share, "from": begin}
        for (name, seconds), share, begin in zip(parts, shares, begins, strict=False)
    ]


def _events(run: Run) -> tuple[list[dict[str, Any]], str]:
    """Return (the newest events, those of growing texts counted together; why they are not known)."""
    try:
        events = stream.newest(str(run.pk), count=EVENTS_READ)
    except redis.RedisError:
        return [], "The events are not known now: Redis cannot be reached."
    shown: list[dict[str, Any]] = []
    for event in events:
        if event.type in GROWING and shown and shown[-1]["type"] == event.type:
            shown[-1]["count"] += 1
            continue
        said = {name: value for name, value in event.data.items() if name not in OF_ALL_EVENTS}
        text = "" if event.type in GROWING else cut(json.dumps(said, ensure_ascii=False), max_bytes=EVENT_BYTES)
        at = datetime.fromisoformat(event.data["at"])
        shown.append({"type": event.type, "at": at, "text": text if said else "", "count": 1})
    return shown, ""


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


@require_GET
@login_required
def place(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Say what a queued run waits for; nothing when it is not queued."""
    run = get_object_or_404(listing.visible_to(cast(User, request.user)), pk=run_id)
    text = waiting.behind(run)
    missing = health.check()[1] if text else []
    if part := next((words for name, words in MISSING.items() if name in missing), ""):
        text = f"{part} Your message is kept and will be answered when one is back."
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


urlpatterns = [
    path("runs/<uuid:run_id>/place/", place, name="run-place"),
    path("runs/", list_, name="runs"),
    path("runs/<uuid:run_id>/", page, name="run"),
]
