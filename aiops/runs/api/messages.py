"""REST views of one message: edit it, and read its versions."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.conversations.models import Message
from aiops.errors import Conflict
from aiops.runs import versions
from aiops.runs.api.chat import ask_instead, source_of
from aiops.runs.models import Run
from aiops.runs.shapes import ChatOut, EditIn, VersionOut
from aiops.web.api import creating
from aiops.web.api.paging import LIMIT, ById


class Messages(GenericViewSet[Any]):
    """``/api/messages/``."""

    queryset = Message.objects.none()
    serializer_class = VersionOut
    pagination_class = ById
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Message]:
        """Return the messages of the caller's conversations."""
        return Message.objects.filter(conversation__user=self.request.user.pk)

    @extend_schema(request=EditIn, responses={202: ChatOut}, parameters=[creating.PARAMETER], tags=["conversations"])
    @action(detail=True, methods=["post"])
    def edit(self, request: Request, pk: Any) -> Response:
        """Ask something else instead. It takes the place of the question and of all that followed it."""
        text = EditIn.read(request.data)["message"]
        run = self._run_of(self.get_object())
        return creating.create(request, lambda user: (202, ask_instead(user, run, text, source_of(request))))

    @extend_schema(
        responses=VersionOut(many=True),
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", {"type": "integer", **LIMIT}),
        ],
        tags=["conversations"],
    )
    @action(detail=True)
    def versions(self, request: Request, pk: Any) -> Response:
        """Return all versions of a question with their answers, the newest first."""
        rows: Any = versions.of(self._run_of(self.get_object()))
        page: Any = self.paginate_queryset(rows.select_related("message"))
        return self.get_paginated_response(VersionOut(page, many=True).data)

    def _run_of(self, message: Message) -> Run:
        """Return the run that answers a message, or whose answer it is."""
        before = Message.objects.filter(conversation=message.conversation_id, position=message.position - 1)
        run = Run.objects.filter(message=message).first() or Run.objects.filter(message__in=before).first()
        if run is None or message.pk not in (run.message_id, run.answer_id):
            raise Conflict("No run answers this message: it came with a batch item.", code="not_editable")
        return run
