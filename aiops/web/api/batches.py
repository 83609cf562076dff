"""Batches: send many prompts at once, look, cancel, try again. Everything is its owner's alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Union, cast

import django_filters
from django.conf import settings as django_settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops import dispatch
from aiops.batches import lifecycle
from aiops.batches.lifecycle import PIECE_BYTES, Plan
from aiops.batches.models import Batch, Item
from aiops.batches.reading import COLUMN
from aiops.errors import Invalid
from aiops.events import stream
from aiops.people.models import User
from aiops.registry import language_models
from aiops.web import background, cancelling
from aiops.web.api import creating
from aiops.web.api.batch_shapes import AgainOut, BatchIn, BatchOptions, BatchOut, BatchUpload, ItemOut
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById, ByNumber
from aiops.web.api.parsing import StrictJSON, no_fields, read_json

SETTINGS = django_settings.SETTINGS
OF_RUNS = ("model", "provider", "temperature", "deadline_s")
RETRIED = (Item.State.FAILED,)
RESUMED = (Item.State.CANCELLED, Item.State.EXPIRED)


class BatchFilters(django_filters.FilterSet):
    """By state."""

    state = django_filters.ChoiceFilter(choices=Batch.State.choices)


class ItemFilters(django_filters.FilterSet):
    """By state."""

    state = django_filters.ChoiceFilter(choices=Item.State.choices)


class BatchJSON(StrictJSON):
    """Items in a body are read whole; more of them come as a file, which is not."""

    max_bytes = 1_000_000
    cure = "Send the items as a file: .jsonl, .json or .csv, in a form."


@extend_schema_view(list=extend_schema(tags=["batches"]), retrieve=extend_schema(tags=["batches"]))
class Batches(ListModelMixin, RetrieveModelMixin, GenericViewSet[Batch]):
    """``/api/batches/``; events, results and errors are doors of their own."""

    queryset = Batch.objects.none()
    serializer_class = BatchOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_class = BatchFilters
    lookup_value_converter = "uuid"
    parser_classes = [BatchJSON, MultiPartParser]

    def get_queryset(self) -> QuerySet[Any]:
        """Return the caller's batches."""
        return Batch.objects.filter(user=self.request.user.pk, deleted_at=None)

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
        """Accept many prompts; every line is checked before the first is run."""
        file, options = _sent(request)
        plan = plan_of(options, file_format=_format(file))
        language_models.choose(SETTINGS, {name: plan.defaults[name] for name in plan.defaults if name != "deadline_s"})

        def act(user: User) -> tuple[int, Any]:
            batch = lifecycle.make(user, plan, _pieces(file), most=SETTINGS.max_batches)
            batch.refresh_from_db()
            transaction.on_commit(lambda: background.later(dispatch.validate, str(batch.pk)))
            return 202, BatchOut(batch).data

        return creating.create(request, act, sent={"options": options, "file": _digest(file)})

    @extend_schema(responses={204: None}, tags=["batches"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete an ended batch with its answers; 409 while it is unfinished."""
        lifecycle.delete(self.get_object().pk)
        return Response(status=204)

    @extend_schema(request=None, responses={202: BatchOut}, tags=["batches"])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any) -> Response:
        """Stop it and keep what is done; 409 when it has ended already."""
        no_fields(request.data)
        batch = self.get_object()
        stopped = lifecycle.cancel(batch)
        cancelling.announce(stopped)
        background.later(stream.tell_changed, [str(batch.pk)])
        batch.refresh_from_db()
        return Response(BatchOut(batch).data, status=202)

    @extend_schema(request=None, responses={202: AgainOut}, tags=["batches"])
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: Any) -> Response:
        """Run once more what failed, when the batch has ended."""
        return self._again(request, RETRIED)

    @extend_schema(request=None, responses={202: AgainOut}, tags=["batches"])
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any) -> Response:
        """Go on with what was cancelled or expired, when the batch has ended."""
        return self._again(request, RESUMED)

    def _again(self, request: Request, states: tuple[str, ...]) -> Response:
        no_fields(request.data)
        batch = self.get_object()
        count = lifecycle.again(batch, states=states)
        background.later(stream.tell_changed, [str(batch.pk)])
        return Response({"id": str(batch.pk), "state": Batch.State.IN_PROGRESS, "items": count}, status=202)

    @extend_schema(responses=ItemOut(many=True), tags=["batches"])
    @action(detail=True, pagination_class=ByNumber, filterset_class=ItemFilters)
    def items(self, request: Request, pk: Any) -> Response:
        """Return its lines in order, with their answers so far."""
        batch = get_object_or_404(self.get_queryset(), pk=pk)
        rows: Any = StrictFilters().filter_queryset(request, Item.objects.filter(batch=batch), self)
        page: Any = self.paginate_queryset(rows.select_related("run"))
        return self.get_paginated_response(ItemOut(page, many=True).data)


class _Lines:
    """Items that came as JSON, as the file they would be."""

    name = "items.jsonl"

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self._data = "\n".join(json.dumps(item, ensure_ascii=False) for item in items).encode()
        self.size = len(self._data)

    def chunks(self, chunk_size: int) -> Iterator[bytes]:
        """Yield the file in pieces."""
        for start in range(0, self.size, chunk_size):
            yield self._data[start : start + chunk_size]


File = Union["UploadedFile[Any]", _Lines]


def _sent(request: Request) -> tuple[File, dict[str, Any]]:
    """Return (the lines, what else is asked); raises Invalid or ValidationError."""
    if isinstance(request.data, dict) and "items" in request.data and not request.FILES:
        whole = BatchIn(data=request.data)
        whole.is_valid(raise_exception=True)
        asked: dict[str, Any] = dict(whole.validated_data)
        return _Lines(asked.pop("items")), asked
    unknown = sorted(set(request.data) - {"file", "options"})
    if unknown and request.FILES:
        raise Invalid("There is no such field.", errors={name[:100]: ["There is no such field."] for name in unknown})
    file = request.FILES.get("file")
    if file is None:
        raise Invalid("There are no lines.", errors={"items": ["Send items as JSON, or a form with a file."]})
    options = read_json(request.POST.get("options") or "{}", what="options")
    shape = BatchOptions(data=options)
    shape.is_valid(raise_exception=True)
    return cast(File, file), dict(shape.validated_data)


def plan_of(asked: dict[str, Any], *, file_format: str) -> Plan:
    """Return what is asked of a batch besides its lines; raises Invalid."""
    template = asked["template"]
    if template and not COLUMN.search(template):
        raise Invalid("The template has no column.", errors={"template": ["Name a column, such as {{host}}."]})
    return Plan(
        name=asked["name"],
        format=file_format,
        policy=asked["policy"],
        template=template,
        response_schema=asked.get("response_schema"),
        defaults={name: asked[name] for name in OF_RUNS if name in asked},
        max_concurrency=asked["max_concurrency"],
        completion_window_s=asked["completion_window_s"],
        webhook=asked["webhook"],
    )


def _format(file: File) -> str:
    ending = str(file.name).rpartition(".")[2].lower()
    formats = {**{one.value: one for one in Batch.Format}, "ndjson": Batch.Format.JSONL}
    if ending not in formats:
        raise Invalid("What kind of file is it?", errors={"file": ["Its name must end in .jsonl, .json or .csv."]})
    if not file.size:
        raise Invalid("The file is empty.", errors={"file": ["It has no lines."]})
    if file.size > SETTINGS.max_batch_bytes:
        raise Invalid("The file is too large.", errors={"file": [f"The most is {SETTINGS.max_batch_bytes} bytes."]})
    return formats[ending]


def _pieces(file: File) -> Iterator[bytes]:
    yield from file.chunks(PIECE_BYTES)


def _digest(file: File) -> str:
    made = hashlib.sha256()
    for piece in _pieces(file):
        made.update(piece)
    return made.hexdigest()
