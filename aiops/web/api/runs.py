"""Runs: list, look, cancel. Everything is its owner's alone."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops import dispatch
from aiops.conversations.models import Run
from aiops.errors import Conflict
from aiops.web import cancelling
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById
from aiops.web.api.parsing import no_fields
from aiops.web.api.shapes import CancelIn, CancelledOut, RunOut, StateOut


class RunFilters(django_filters.FilterSet):
    """By state, and by conversation."""

    state = django_filters.ChoiceFilter(choices=Run.State.choices)
    conversation = django_filters.UUIDFilter(field_name="conversation_id")


WAIT = OpenApiParameter(
    "wait",
    {"type": "integer", "minimum": 1, "maximum": 30},
    description="Wait so many seconds for the end.",
)


@extend_schema_view(
    list=extend_schema(tags=["runs"]),
    retrieve=extend_schema(tags=["runs"], parameters=[WAIT]),
)
class Runs(ListModelMixin, RetrieveModelMixin, GenericViewSet[Run]):
    """``/api/runs/``; ``?wait=`` is served by the long-poll door before it comes here."""

    queryset = Run.objects.none()
    serializer_class = RunOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_class = RunFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Run]:
        """Return the caller's runs; those of a batch's items are found through it, not in the list."""
        mine = Run.objects.filter(user=self.request.user.pk)
        return mine.filter(queue=dispatch.RUNS_QUEUE) if self.action == "list" else mine

    def get_serializer_context(self) -> dict[str, Any]:
        """Spare lists the look into each run's events."""
        return {**super().get_serializer_context(), "brief": self.action == "list"}

    @extend_schema(request=None, responses={202: StateOut}, tags=["runs"])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any) -> Response:
        """Stop a run; 409 when it has ended already."""
        no_fields(request.data)
        run = self.get_object()
        if run.state in Run.ENDED:
            raise Conflict(f"This run has ended already: {run.state}.", code="run_ended")
        return Response({"id": str(run.pk), "state": cancelling.cancel([run])[str(run.pk)]}, status=202)

    @extend_schema(request=CancelIn, responses={202: CancelledOut}, tags=["runs"])
    @action(detail=False, methods=["post"], url_path="cancel", url_name="cancel-many")
    def cancel_many(self, request: Request) -> Response:
        """Stop several runs; those that had ended are returned as they are."""
        shape = CancelIn(data=request.data)
        shape.is_valid(raise_exception=True)
        asked: dict[str, Any] = shape.validated_data
        runs = self.get_queryset()
        if "ids" in asked:
            runs = runs.filter(pk__in=asked["ids"])
        else:
            runs = runs.filter(queue=dispatch.RUNS_QUEUE, state=asked["state"])
            runs = runs.filter(conversation=asked["conversation"]) if "conversation" in asked else runs
        states = cancelling.cancel(list(runs[:1_000]))
        return Response({"runs": [{"id": pk, "state": state} for pk, state in states.items()]}, status=202)
