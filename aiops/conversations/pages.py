"""The chat page: a conversation's transcript, which the page's script keeps up to date."""

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
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.conversations import transcript
from aiops.conversations.api import ConversationFilters
from aiops.conversations.models import Conversation, Message
from aiops.conversations.sidebar import rows
from aiops.errors import Refused
from aiops.llm import choice, local
from aiops.llm.providers import OFFLINE
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.web import markdown

LATEST_TURNS = 100
"""Turns on one page; ``?before=`` shows older ones."""


@require_GET
@login_required
def page(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """Show a conversation, or an empty page for a new one."""
    user = cast(User, request.user)
    conversation = get_object_or_404(Conversation, pk=conversation_id, user=user) if conversation_id else None
    turns, older = _turns(conversation, before=request.GET.get("before", "")) if conversation else ([], None)
    context = {
        "here": "home",
        "conversation": conversation,
        "turns": turns,
        "older": older,
        "is_old": bool(request.GET.get("before")),
        "memory": _memory(conversation, turns) if conversation else None,
        "model": _model(),
        "memory_s": django_settings.SETTINGS.memory_ttl_s,
        "max_bytes": django_settings.SETTINGS.max_message_bytes,
        **_sidebar_context(user, request),
    }
    return render(request, "conversations/chat.html", context)


@require_GET
@login_required
def sidebar(request: HttpRequest) -> HttpResponse:
    """Show only the list of conversations that match the search."""
    return render(request, "conversations/sidebar.html", _sidebar_context(cast(User, request.user), request))


def _sidebar_context(user: User, request: HttpRequest) -> dict[str, Any]:
    search = request.GET.get("search", "")[:200].replace("\0", "")
    mine = Conversation.objects.filter(user=user, kind=Conversation.Kind.CHAT)
    found: QuerySet[Conversation] = ConversationFilters({"search": search}, queryset=mine).qs
    shown = request.GET.get("shown", "")
    return rows(
        found, search=search, shown=int(shown) if shown.isascii() and shown.isdecimal() and len(shown) < 6 else 0
    )


def _turns(conversation: Conversation, *, before: str) -> tuple[list[dict[str, Any]], int | None]:
    """Return (the latest turns; the position before which there are more, if any)."""
    runs = Run.objects.filter(conversation=conversation, rolled_back=False).select_related("message")
    if before.isascii() and before.isdecimal():
        runs = runs.filter(position__lt=int(before[:9]))  # nine digits fit the column
    rows = list(runs.order_by("-position")[: LATEST_TURNS + 1])  # one more than shown: are there older ones?
    shown = rows[:LATEST_TURNS][::-1]
    answers = {m.pk: m for m in transcript.visible(conversation).filter(pk__in=[r.answer_id for r in shown])}
    rendered = markdown.Page()
    turns = [_turn(run, answers.get(run.answer_id), rendered) for run in shown]
    return turns, (shown[0].position if len(rows) > LATEST_TURNS else None)


def _turn(run: Run, answer: Message | None, rendered: markdown.Page) -> dict[str, Any]:
    run.steps = [{**s, "arguments_text": json.dumps(s["arguments"], indent=2, ensure_ascii=False)} for s in run.steps]
    return {"run": run, "question": run.message.text, "html": rendered.render(answer.text) if answer else ""}


def _memory(conversation: Conversation, turns: list[dict[str, Any]]) -> dict[str, Any]:
    """Return when memory expires, and whether it has expired (a run succeeded) or was cleared."""
    used_at = conversation.memory_used_at
    ends = used_at + timedelta(seconds=django_settings.SETTINGS.memory_ttl_s) if used_at else None
    forgotten = 0 < conversation.memory_from == conversation.last_position
    answered = any(turn["run"].state == State.SUCCEEDED for turn in turns)
    return {"ends": ends, "forgotten": forgotten, "gone": forgotten or (answered and ends is None)}


def _model() -> dict[str, Any]:
    try:
        spec = choice.choose(django_settings.SETTINGS, {})
    except Refused as error:
        return {"problem": error.detail}
    shown: dict[str, Any] = {"name": spec.name, "provider": spec.provider}
    if spec.provider == OFFLINE:
        found = local.ollama()
        shown |= {"offline": True, "ollama": found is not None, "ollama_model": (found or [""])[0]}
    return shown


urlpatterns = [
    path("", page, name="home"),
    path("c/<uuid:conversation_id>/", page, name="conversation"),
    path("sidebar/", sidebar, name="sidebar"),
]
