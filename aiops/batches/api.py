"""REST views of batches: create, list, cancel, retry, resume and delete one's own batches."""

from __future__ import annotations

from itertools import islice
from typing import Any, cast

import django_filters
from django.conf import settings as django_settings
from django.core.files.base import File
from django.db import transaction
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops import background, database, dispatch
from aiops.batches import lifecycle, uploads
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch, Item
from aiops.batches.reading.lines import foreign_model
from aiops.batches.shapes import AgainOut, BatchIn, BatchOut, BatchUpload, ItemOut
from aiops.batches.validation import rules_for
from aiops.errors import Invalid
from aiops.events import stream
from aiops.llm import choice, snapshot
from aiops.people.models import User
from aiops.runs import cancelling
from aiops.web.api import creating, forms
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById, ByNumber
from aiops.web.api.parsing import StrictJSON, no_fields

SETTINGS = django_settings.SETTINGS
RUNNING = Coalesce(
    Subquery(
        Item.objects.filter(batch=OuterRef("pk"), state=Item.State.RUNNING)
        .order_by()
        .values("batch")
        .annotate(n=Count("pk"))
        .values("n")
    ),
    0,
)
"""The number of running items, as part of the batches' query: a query for each row would be slow."""


class ItemFilters(django_filters.FilterSet):
    """Filters items by their state; the view's own filter is for the states of batches."""

    state = django_filters.ChoiceFilter(choices=Item.State.choices)


class BatchJSON(StrictJSON):
    """A body with items, which is read as a whole; a file may be larger because it is read in pieces."""

    max_bytes = 1_000_000
    cure = "Send the items as a file (.jsonl, .json or .csv) in a form."


@extend_schema_view(list=extend_schema(tags=["batches"]), retrieve=extend_schema(tags=["batches"]))
class Batches(ListModelMixin, RetrieveModelMixin, GenericViewSet[Batch]):
    """``/api/batches/``; ``streams`` serves events, results and errors."""

    queryset = Batch.objects.none()
    serializer_class = BatchOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_fields = ["state"]
    filterset_class: Any = None  # ``items`` sets its own
    lookup_value_converter = "uuid"
    parser_classes = [BatchJSON, MultiPartParser]

    def get_queryset(self) -> QuerySet[Any]:
        return Batch.objects.filter(user=self.request.user.pk, deleted_at=None).annotate(running_items=RUNNING)

    @extend_schema(
        request={"application/json": BatchIn, "multipart/form-data": BatchUpload},
        responses={202: BatchOut},
        parameters=[creating.PARAMETER],
        examples=[
            OpenApiExample(
                "two prompts",
                {"items": [{"custom_id": "a", "prompt": "what uses memory?"}, {"custom_id": "b", "prompt": "disks?"}]},
                request_only=True,
                media_type="application/json",
            )
        ],
        tags=["batches"],
    )
    def create(self, request: Request) -> Response:
        """Create a batch. All its lines are validated before the first one runs."""
        file, options = uploads.read(request)
        plan = Plan.of_request(options, file_format=uploads.format_of(file))
        defaults = {name: value for name, value in plan.defaults.items() if name != "deadline_s"}
        asker = cast(User, request.user)
        chosen = choice.choose(snapshot.for_user(asker, SETTINGS), defaults)
        _offer_the_chosen(chosen.name, plan, file, asker)

        def act(user: User) -> tuple[int, Any]:
            batch = lifecycle.make(user, plan, file.chunks(lifecycle.PIECE_BYTES), most=SETTINGS.max_batches)
            batch.refresh_from_db()
            transaction.on_commit(lambda: background.run_later(dispatch.validate, str(batch.pk)))
            return 202, BatchOut(batch).data

        with database.turn_to_write():
            return creating.create(request, act, sent={"options": options, "file": forms.digest(file)})

    @extend_schema(responses={204: None}, tags=["batches"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete an ended batch with its answers; 409 while it is unfinished."""
        lifecycle.delete(self.get_object().pk)
        return Response(status=204)

    @extend_schema(request=None, responses={202: BatchOut}, tags=["batches"])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any) -> Response:
        """Cancel it and keep the answers so far; 409 when it has ended."""
        no_fields(request.data)
        batch = self.get_object()
        cancelling.announce(lifecycle.cancel(batch))
        background.run_later(stream.publish_changed, [str(batch.pk)])
        batch.refresh_from_db()
        return Response(BatchOut(batch).data, status=202)

    @extend_schema(request=None, responses={202: AgainOut}, tags=["batches"])
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: Any) -> Response:
        """Run the failed items again; 409 until the batch has ended."""
        return self._rerun(request, Item.State.FAILED)

    @extend_schema(request=None, responses={202: AgainOut}, tags=["batches"])
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any) -> Response:
        """Run the cancelled and expired items; 409 until the batch has ended."""
        return self._rerun(request, Item.State.CANCELLED, Item.State.EXPIRED)

    def _rerun(self, request: Request, *states: str) -> Response:
        no_fields(request.data)
        batch = self.get_object()
        count = lifecycle.rerun(batch, states=states)
        background.run_later(stream.publish_changed, [str(batch.pk)])
        return Response({"id": str(batch.pk), "state": Batch.State.IN_PROGRESS, "items": count}, status=202)

    @extend_schema(responses=ItemOut(many=True), tags=["batches"])
    @action(detail=True, pagination_class=ByNumber, filterset_class=ItemFilters)
    def items(self, request: Request, pk: Any) -> Response:
        """Return its items in order, with their answers so far."""
        # not get_object, which would apply the filter of items to batches
        batch = get_object_or_404(self.get_queryset(), pk=pk)
        rows: Any = StrictFilters().filter_queryset(request, Item.objects.filter(batch=batch), self)
        page: Any = self.paginate_queryset(rows.select_related("run"))
        return self.get_paginated_response(ItemOut(page, many=True).data)


def _offer_the_chosen(chosen: str, plan: Plan, file: File[Any], user: User) -> None:
    """Raise Invalid when a file for another service asks for a model that we lack, before anything is written.

    Where invalid lines are skipped, they are: others may name a model that there is.
    """
    if plan.ignore_model or plan.policy == Batch.Policy.SKIP_INVALID:
        return
    named = foreign_model(islice(file.chunks(lifecycle.PIECE_BYTES), 1), plan.format, rules_for(plan, SETTINGS))
    if named and snapshot.problem_with({**plan.defaults, "model": named}, SETTINGS, user=user):
        offer = f"Its lines ask for {named[:100]!r}. True (--ignore-model) sends all to {chosen!r}, the chosen model."
        raise Invalid("The file asks for a model that is not configured.", errors={"ignore_model": [offer]})
