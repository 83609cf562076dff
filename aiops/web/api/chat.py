"""Ask: one call that opens a conversation, or goes on with one, and gets a run to watch."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops.conversations import sending
from aiops.conversations.acceptance import Question, accept
from aiops.conversations.models import Run
from aiops.people.models import User
from aiops.registry import language_models
from aiops.web import background
from aiops.web.api import creating
from aiops.web.api.shapes import ChatIn, ChatOut

OPTIONS = ("model", "provider", "temperature")


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
        """Accept a message; its answer is made by a worker and shown at the run's ``events``."""
        shape = ChatIn(data=request.data)
        shape.is_valid(raise_exception=True)
        asked: dict[str, Any] = shape.validated_data

        def act(user: User) -> tuple[int, Any]:
            return 202, ask(user, asked)

        return creating.create(request, act)


def ask(user: User, asked: dict[str, Any]) -> dict[str, Any]:
    """Write the question and, once that is committed, send it on its way; must run inside a transaction."""
    settings = django_settings.SETTINGS
    options = {name: asked[name] for name in OPTIONS if name in asked}
    language_models.choose(settings, options)
    question = Question(
        asked["message"],
        conversation_id=asked.get("conversation"),
        on_busy=asked.get("on_busy", "enqueue"),
        deadline_s=asked.get("deadline_s", settings.run_deadline_s),
        options=options,
        webhook=asked.get("webhook", ""),
    )
    accepted = accept(user, question, max_queued=settings.max_queued_runs)
    transaction.on_commit(lambda: background.later(sending.send, accepted, ttl_s=settings.stream_ttl_s))
    run = accepted.run
    return {"conversation": str(run.conversation_id), "message": str(run.message_id), "run": reference(run)}


def reference(run: Run) -> dict[str, Any]:
    """Return a run with its links."""
    here = f"/api/runs/{run.pk}"
    links = {"self": f"{here}/", "events": f"{here}/events", "cancel": f"{here}/cancel/"}
    return {"id": str(run.pk), "state": run.state, "links": links}
