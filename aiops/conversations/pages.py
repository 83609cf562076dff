"""The chat page: a conversation's transcript, which the page's script keeps up to date."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.attachments.limits import MAX_BYTES, MAX_PER_MESSAGE
from aiops.conversations import sharing, turns
from aiops.conversations.api import ConversationFilters
from aiops.conversations.models import Conversation
from aiops.conversations.sidebar import rows
from aiops.conversations.turns import Window
from aiops.errors import Refused
from aiops.llm import choice, local, snapshot
from aiops.llm.providers import OFFLINE
from aiops.people.models import User
from aiops.runs.states import State
from aiops.web import markdown

MOST_MODELS = 100
"""Models that the form offers."""


@require_GET
@login_required
def page(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """Show a conversation, or an empty page for a new one; ``?before=`` and ``?at=`` show its past."""
    user = cast(User, request.user)
    conversation = get_object_or_404(Conversation, pk=conversation_id, user=user) if conversation_id else None
    before, at = _number(request, "before"), _number(request, "at")
    window = turns.latest(conversation, markdown.Page().render, before=before, at=at) if conversation else Window([])
    context = {
        "here": "home",
        "conversation": conversation,
        "window": window,
        "at": at,
        "memory": _memory(conversation, window.turns) if conversation else None,
        "model": _model(user),
        "memory_s": django_settings.SETTINGS.memory_ttl_s,
        "max_bytes": django_settings.SETTINGS.max_message_bytes,
        "max_attachment_bytes": MAX_BYTES,
        "max_attachments": MAX_PER_MESSAGE,
        **_sidebar_context(user, request),
    }
    return render(request, "conversations/chat.html", context)


@require_GET
@login_required
def more(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Show turns alone: those ``before`` or ``after`` a position, or that of a ``run``."""
    conversation = get_object_or_404(Conversation, pk=conversation_id, user=cast(User, request.user))
    shown, at = markdown.Page().render, _number(request, "at")
    try:
        run_id = UUID(request.GET.get("run", ""))
    except ValueError:
        after = _number(request, "after")
        window = (
            turns.latest(conversation, shown, before=_number(request, "before"), at=at)
            if after is None
            else turns.after(conversation, shown, after, at=at)
        )
    else:
        window = turns.one(conversation, shown, run_id)
    part = "older" if "before" in request.GET else "newer"
    context = {"conversation": conversation, "window": window, "at": at, "part": part}
    return render(request, "conversations/turns.html", context)


@require_GET
@login_required
def shared(request: HttpRequest, key: str) -> HttpResponse:
    """Show a conversation that its owner shares, as it was then; ``?before=`` shows older turns."""
    conversation = sharing.find(key)
    if conversation is None:
        raise Http404
    before = _number(request, "before")
    window = turns.latest(conversation, markdown.Page().render, before=before, at=conversation.shared_to)
    context = {"here": "", "conversation": conversation, "window": window}
    return render(request, "conversations/shared.html", context)


def _number(request: HttpRequest, name: str) -> int | None:
    """Return a parameter that is a position, which has nine digits at most; otherwise None."""
    text = request.GET.get(name, "")
    return int(text[:9]) if text.isascii() and text.isdecimal() else None


@require_GET
@login_required
def sidebar(request: HttpRequest) -> HttpResponse:
    """Show only the list of conversations that match the search."""
    return render(request, "conversations/sidebar.html", _sidebar_context(cast(User, request.user), request))


def _sidebar_context(user: User, request: HttpRequest) -> dict[str, Any]:
    search = request.GET.get("search", "")[:200].replace("\0", "")
    mine = Conversation.objects.filter(user=user, kind=Conversation.Kind.CHAT)
    found: QuerySet[Conversation] = ConversationFilters({"search": search}, queryset=mine).qs
    return rows(found, search=search, shown=_number(request, "shown") or 0)


def _memory(conversation: Conversation, shown: list[dict[str, Any]]) -> dict[str, Any]:
    """Return when memory expires, and whether it has expired (a run succeeded) or was cleared."""
    used_at = conversation.memory_used_at
    ends = used_at + timedelta(seconds=django_settings.SETTINGS.memory_ttl_s) if used_at else None
    forgotten = 0 < conversation.memory_from == conversation.last_position
    answered = any(turn["run"].state == State.SUCCEEDED for turn in shown)
    return {"ends": ends, "forgotten": forgotten, "gone": forgotten or (answered and ends is None)}


def _model(user: User) -> dict[str, Any]:
    known = snapshot.for_user(user, django_settings.SETTINGS)
    try:
        spec = choice.choose(known, {})
    except Refused as error:
        return {"problem": error.detail}
    others = [one for one in known.specs if one != spec and one.handler_name != OFFLINE][:MOST_MODELS]
    shown: dict[str, Any] = {"name": spec.name, "provider": spec.provider, "others": others}
    if spec.handler_name == OFFLINE:
        found = local.ollama()
        shown |= {"offline": True, "ollama": found is not None, "ollama_model": (found or [""])[0]}
    return shown


urlpatterns = [
    path("", page, name="home"),
    path("c/<uuid:conversation_id>/", page, name="conversation"),
    path("c/<uuid:conversation_id>/turns/", more, name="turns"),
    path("shared/<str:key>/", shared, name="shared"),
    path("sidebar/", sidebar, name="sidebar"),
]
