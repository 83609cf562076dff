"""The chat page: a conversation's transcript as it stands, which the page's script keeps live."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from aiops.conversations import transcript
from aiops.conversations.models import Conversation, Message, Run
from aiops.errors import Refused
from aiops.people.models import User
from aiops.registry import language_models
from aiops.web import markdown
from aiops.web.api.conversations import ConversationFilters

SHOWN = 60
LATEST_TURNS = 100
"""Turns on the page; older ones are behind ``?before=``."""


@require_GET
@login_required
def page(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """Show a conversation, or an empty one to begin."""
    user = cast(User, request.user)
    conversation = get_object_or_404(Conversation, pk=conversation_id, user=user) if conversation_id else None
    turns, older = _turns(conversation, before=request.GET.get("before", "")) if conversation else ([], None)
    context = {
        "conversation": conversation,
        "turns": turns,
        "older": older,
        "memory": _memory(conversation, turns) if conversation else None,
        "model": _model(),
        "memory_s": django_settings.SETTINGS.memory_ttl_s,
        "max_bytes": django_settings.SETTINGS.max_message_bytes,
        "flower_url": django_settings.SETTINGS.flower_url if user.is_staff else "",
        **_listed(user, request),
    }
    return render(request, "web/chat.html", context)


@require_GET
@login_required
def sidebar(request: HttpRequest) -> HttpResponse:
    """Show the list of conversations alone, searched."""
    return render(request, "web/sidebar.html", _listed(cast(User, request.user), request))


def _listed(user: User, request: HttpRequest) -> dict[str, Any]:
    search = request.GET.get("search", "")[:200].replace("\0", "")
    mine = Conversation.objects.filter(user=user, kind=Conversation.Kind.CHAT)
    found: QuerySet[Conversation] = ConversationFilters({"search": search}, queryset=mine).qs
    rows = list(found.order_by("-updated_at", "-id")[: SHOWN + 1])
    return {"conversations": rows[:SHOWN], "more": len(rows) > SHOWN, "search": search}


def _turns(conversation: Conversation, *, before: str) -> tuple[list[dict[str, Any]], int | None]:
    """Return (the latest turns: question, run, answer; the position before which there are more)."""
    runs = Run.objects.filter(conversation=conversation, rolled_back=False).select_related("message")
    if before.isascii() and before.isdecimal():
        runs = runs.filter(position__lt=int(before[:9]))
    rows = list(runs.order_by("-position")[: LATEST_TURNS + 1])
    shown = rows[:LATEST_TURNS][::-1]
    said = {m.pk: m for m in transcript.visible(conversation).filter(pk__in=[r.answer_id for r in shown])}
    turns = [_turn(run, said.get(run.answer_id)) for run in shown]
    return turns, (shown[0].position if len(rows) > LATEST_TURNS else None)


def _turn(run: Run, answer: Message | None) -> dict[str, Any]:
    run.steps = [{**s, "arguments_text": json.dumps(s["arguments"], indent=2, ensure_ascii=False)} for s in run.steps]
    return {"run": run, "question": run.message.text, "html": markdown.render(answer.text) if answer else ""}


def _memory(conversation: Conversation, turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return when memory ends, or that it has (there was some: a run succeeded), or that it was cleared."""
    life = timedelta(seconds=django_settings.SETTINGS.memory_ttl_s)
    used = conversation.memory_used_at
    forgotten = 0 < conversation.memory_from == conversation.last_position
    answered = any(turn["run"].state == Run.State.SUCCEEDED for turn in turns)
    ends = used + life if used else None
    return {"ends": ends, "forgotten": forgotten, "gone": forgotten or (answered and ends is None)}


def _model() -> dict[str, str]:
    try:
        spec = language_models.choose(django_settings.SETTINGS, {})
    except Refused as error:
        return {"problem": error.detail}
    return {"name": spec.name, "provider": spec.provider}
