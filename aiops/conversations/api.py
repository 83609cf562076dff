"""REST views of conversations and their messages; each user sees only their own."""

from __future__ import annotations

from typing import Any

import django_filters
from django.conf import settings as django_settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.conversations import deletion, memories, sharing, transcript
from aiops.conversations.models import Conversation, Message
from aiops.conversations.shapes import ConversationIn, ConversationOut, ConversationPatch, MessageOut, ShareOut
from aiops.errors import NotFound
from aiops.events import stream
from aiops.people.models import User
from aiops.runs import cancelling
from aiops.web import markdown
from aiops.web.api import creating
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import LIMIT, ByPosition, ByUpdate
from aiops.web.api.parsing import no_fields


class ConversationFilters(django_filters.FilterSet):
    """Search in titles and messages."""

    search = django_filters.CharFilter(method="search_in", max_length=200)

    def search_in(self, queryset: QuerySet[Conversation], name: str, value: str) -> QuerySet[Conversation]:
        """Return conversations whose title or visible messages contain the text."""
        message = Message.objects.filter(conversation=OuterRef("pk"), rolled_back=False, text__icontains=value)
        return queryset.filter(Q(title__icontains=value) | Exists(message))


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("search", str)], tags=["conversations"]),
    retrieve=extend_schema(tags=["conversations"]),
)
class Conversations(ListModelMixin, RetrieveModelMixin, GenericViewSet[Conversation]):
    """``/api/conversations/``."""

    queryset = Conversation.objects.none()
    serializer_class = ConversationOut
    pagination_class = ByUpdate
    filter_backends = [StrictFilters]
    filterset_class = ConversationFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Conversation]:
        """Return the caller's conversations; those of a batch's items are found through it, not in the list."""
        mine = Conversation.objects.filter(user=self.request.user.pk)
        return mine.filter(kind=Conversation.Kind.CHAT) if self.action == "list" else mine

    @extend_schema(
        request=ConversationIn,
        responses={201: ConversationOut},
        parameters=[creating.PARAMETER],
        tags=["conversations"],
    )
    def create(self, request: Request) -> Response:
        """Create an empty conversation."""
        title = ConversationIn.read(request.data)["title"]

        def act(user: User) -> tuple[int, Any]:
            made = Conversation.objects.create(user=user, title=title)
            made.refresh_from_db()
            return 201, ConversationOut(made).data

        return creating.create(request, act)

    @extend_schema(request=ConversationPatch, responses=ConversationOut, tags=["conversations"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Rename it, or pin it to the top of the list."""
        self.get_object()
        self.get_queryset().filter(pk=pk).update(**ConversationPatch.read(request.data))
        return Response(ConversationOut(self.get_object()).data)

    @extend_schema(responses={204: None}, tags=["conversations"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete it with its messages, runs, events and memory; a running run is stopped."""
        deleted = deletion.delete(self.get_queryset().filter(pk=pk))
        if not deleted.conversations:
            raise NotFound("There is no such conversation.")
        cancelling.announce(deleted.runs)
        memories.forget(deleted.conversations)
        stream.forget(deleted.runs)
        return Response(status=204)

    @extend_schema(request=None, responses={204: None}, tags=["conversations"])
    @action(detail=True, methods=["post"])
    def clear(self, request: Request, pk: Any) -> Response:
        """Clear the agent's memory of it; the transcript stays."""
        no_fields(request.data)
        memories.clear(self.get_object())
        memories.forget([str(pk)])
        return Response(status=204)

    @extend_schema(methods=["post"], request=None, responses=ShareOut, tags=["conversations"])
    @extend_schema(methods=["delete"], request=None, responses={204: None}, tags=["conversations"])
    @action(detail=True, methods=["post", "delete"])
    def share(self, request: Request, pk: Any) -> Response:
        """Return a link under which all who are signed in may read it as it is now; or end that."""
        no_fields(request.data)
        conversation = self.get_object()
        if request.method == "DELETE":
            sharing.end(conversation)
            return Response(status=204)
        here = reverse("shared", args=[sharing.begin(conversation)])
        base = django_settings.SETTINGS.public_url
        return Response({"url": f"{base.rstrip('/')}{here}" if base else request.build_absolute_uri(here)})

    @extend_schema(
        responses=MessageOut(many=True),
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", {"type": "integer", **LIMIT}),
        ],
        tags=["conversations"],
    )
    @action(detail=True, pagination_class=ByPosition, filterset_class=None)
    def messages(self, request: Request, pk: Any) -> Response:
        """Return the transcript in order, without rolled-back messages."""
        visible: Any = transcript.visible(self.get_object())
        page: Any = self.paginate_queryset(visible)
        return self.get_paginated_response(MessageOut(page, many=True, context={"rendered": markdown.Page()}).data)
