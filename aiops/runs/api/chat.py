"""Send a message, or send one again in its place."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops import background
from aiops.llm import choice, snapshot
from aiops.people.models import ApiToken, User
from aiops.runs import send
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.shapes import ChatIn, ChatOut
from aiops.runs.sources import Source
from aiops.web.api import creating


class Chat(APIView):
    """``POST /api/chat/``."""

    @extend_schema(
        request=ChatIn,
        responses={202: ChatOut},
        parameters=[creating.PARAMETER],
        examples=[OpenApiExample("a question", {"message": "what uses the most memory?"}, request_only=True)],
        tags=["chat"],
    )
    def post(self, request: Request) -> Response:
        """Accept a message; a worker answers it, and ``events`` of the run streams the answer."""
        fields = ChatIn.read(request.data)
        return creating.create(request, lambda user: (202, submit(user, fields, source_of(request))))


def source_of(request: Request) -> Source:
    """Return which door this is: tokens are for programs."""
    return Source.API if isinstance(request.auth, ApiToken) else Source.CHAT


def submit(user: User, fields: dict[str, Any], source: Source) -> dict[str, Any]:
    """Write the message and its run, and send the run after the commit; must run inside a transaction."""
    settings = django_settings.SETTINGS
    options = RunOptions.of(fields, default_deadline_s=settings.run_deadline_s)
    new = NewMessage(
        fields["message"],
        options,
        conversation_id=fields.get("conversation"),
        attachments=tuple(fields.get("attachments", ())),
        on_busy=fields.get("on_busy", "enqueue"),
        webhook=fields.get("webhook", ""),
        source=source,
    )
    return _accept(user, new)


def ask_instead(user: User, run: Run, text: str | None, source: Source) -> dict[str, Any]:
    """Write a message (None: the same text) in the place of a run's; else like ``submit``."""
    options = RunOptions.of(run.options, default_deadline_s=run.deadline_s)
    new = NewMessage(
        run.message.text if text is None else text,
        options,
        conversation_id=run.conversation_id,
        source=source,
        replaces=run,
    )
    return _accept(user, new)


def _accept(user: User, new: NewMessage) -> dict[str, Any]:
    settings = django_settings.SETTINGS
    choice.choose(snapshot.for_user(user, settings), new.options.stored())
    accepted = accept(user, new, max_queued=settings.max_queued_runs)
    transaction.on_commit(lambda: background.run_later(send.send_accepted, accepted, ttl_s=settings.stream_ttl_s))
    run = accepted.run
    return {"conversation": str(run.conversation_id), "message": str(run.message_id), "run": reference(run)}


def reference(run: Run) -> dict[str, Any]:
    """Return a run with its links."""
    here = f"/api/runs/{run.pk}"
    return {
        "id": str(run.pk),
        "state": run.state,
        "links": {"self": f"{here}/", "events": f"{here}/events", "cancel": f"{here}/cancel/"},
    }
