"""The API of saved prompts: one's own, and those that others share, which only they change."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Forbidden
from aiops.people.models import User
from aiops.saved_prompts import saving
from aiops.saved_prompts.models import SavedPrompt, visible_to
from aiops.saved_prompts.shapes import SavedPromptChange, SavedPromptIn, SavedPromptOut
from aiops.web.api import creating
from aiops.web.api.filtering import StrictFilters, TruthFilter
from aiops.web.api.paging import ByUpdate

OF_OTHERS = "It belongs to somebody else, who shares it: save a copy of your own."


class SavedPromptFilters(django_filters.FilterSet):
    is_shared = TruthFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


class ByNameAndId(ByUpdate):
    """By name, which two people may both use."""

    ordering = ("name", "id")


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("search", str)], tags=["saved-prompts"]),
    retrieve=extend_schema(tags=["saved-prompts"]),
)
class SavedPrompts(ListModelMixin, RetrieveModelMixin, GenericViewSet[SavedPrompt]):
    """``/api/saved-prompts/``, by name."""

    queryset = SavedPrompt.objects.none()
    serializer_class = SavedPromptOut
    pagination_class = ByNameAndId
    filter_backends = [StrictFilters]
    filterset_class = SavedPromptFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[SavedPrompt]:
        return visible_to(cast(User, self.request.user)).select_related("user")

    @extend_schema(
        request=SavedPromptIn,
        responses={201: SavedPromptOut},
        parameters=[creating.PARAMETER],
        examples=[
            OpenApiExample(
                "for everybody",
                {"name": "disks", "text": "Which disks are nearly full?", "is_shared": True},
                request_only=True,
            )
        ],
        tags=["saved-prompts"],
    )
    def create(self, request: Request) -> Response:
        """Save a prompt."""
        fields = SavedPromptIn.read(request.data)

        def act(user: User) -> tuple[int, Any]:
            return 201, SavedPromptOut(saving.make(user, fields)).data

        return creating.create(request, act)

    @extend_schema(request=SavedPromptChange, responses=SavedPromptOut, tags=["saved-prompts"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change a prompt of one's own."""
        return self._change(SavedPromptChange.read(request.data))

    @extend_schema(request=SavedPromptIn, responses=SavedPromptOut, tags=["saved-prompts"])
    def update(self, request: Request, pk: Any) -> Response:
        """Replace a prompt of one's own."""
        return self._change({"is_shared": False, **SavedPromptIn.read(request.data)})

    def _change(self, fields: dict[str, Any]) -> Response:
        with transaction.atomic():
            prompt = saving.put(self._own("change"), fields)
        return Response(SavedPromptOut(prompt).data)

    @extend_schema(responses={204: None}, tags=["saved-prompts"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete a prompt of one's own; administrators also those that others share."""
        self._own("delete").delete()
        return Response(status=204)

    def _own(self, verb: str) -> SavedPrompt:
        """Return the prompt; raises Forbidden if it is shared by somebody else."""
        prompt = self.get_object()
        mine = prompt.user_id == self.request.user.pk
        if not mine and not self.request.user.has_perm(f"saved_prompts.{verb}_savedprompt"):
            raise Forbidden(OF_OTHERS)
        return prompt
