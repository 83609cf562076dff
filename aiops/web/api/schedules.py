"""Schedules: have a prompt or a batch asked by the clock. Everything is its owner's alone."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings as django_settings
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Invalid
from aiops.people.models import User
from aiops.registry import language_models
from aiops.schedules import firing, lifecycle
from aiops.schedules.models import Firing, Schedule
from aiops.web.api import creating
from aiops.web.api.batches import plan_of
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import LIMIT, ById
from aiops.web.api.parsing import no_fields
from aiops.web.api.schedule_shapes import FiringOut, ScheduleChange, ScheduleIn, ScheduleOut

SETTINGS = django_settings.SETTINGS
OF_MODEL = ("model", "provider", "temperature")
OPTIONS = (*OF_MODEL, "deadline_s")


@extend_schema_view(list=extend_schema(tags=["schedules"]), retrieve=extend_schema(tags=["schedules"]))
class Schedules(ListModelMixin, RetrieveModelMixin, GenericViewSet[Schedule]):
    """``/api/schedules/``."""

    queryset = Schedule.objects.none()
    serializer_class = ScheduleOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Any]:
        """Return the caller's schedules."""
        return Schedule.objects.filter(user=self.request.user.pk)

    @extend_schema(
        request=ScheduleIn,
        responses={201: ScheduleOut},
        parameters=[creating.PARAMETER],
        examples=[
            OpenApiExample(
                "every working day at seven",
                {
                    "name": "morning",
                    "message": "any errors tonight?",
                    "cron": "0 7 * * 1-5",
                    "timezone": "Europe/Berlin",
                },
                request_only=True,
            )
        ],
        tags=["schedules"],
    )
    def create(self, request: Request) -> Response:
        """Have a prompt or a batch asked by the clock."""
        shape = ScheduleIn(data=request.data)
        shape.is_valid(raise_exception=True)
        fields = _fields(dict(shape.validated_data), options={"read_only": True})

        def act(user: User) -> tuple[int, Any]:
            return 201, ScheduleOut(lifecycle.make(user, fields, most=SETTINGS.max_schedules)).data

        return creating.create(request, act)

    @extend_schema(request=ScheduleChange, responses=ScheduleOut, tags=["schedules"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change what is asked, or when."""
        schedule = self.get_object()
        shape = ScheduleChange(data=request.data)
        shape.is_valid(raise_exception=True)
        asked = dict(shape.validated_data)
        if ("message" in asked and schedule.batch is not None) or ("batch" in asked and schedule.batch is None):
            raise Invalid("A prompt cannot become a batch, nor a batch a prompt: make another schedule.")
        return Response(ScheduleOut(lifecycle.change(schedule, _fields(asked, options=schedule.options))).data)

    @extend_schema(responses={204: None}, tags=["schedules"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete it; its answers stay."""
        self.get_object().delete()
        return Response(status=204)

    @extend_schema(request=None, responses={202: FiringOut}, parameters=[creating.PARAMETER], tags=["schedules"])
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: Any) -> Response:
        """Ask it now, besides its times; also when it is paused."""
        no_fields(request.data)
        schedule = self.get_object()

        def act(user: User) -> tuple[int, Any]:
            made = firing.run_now(schedule, SETTINGS)
            made.refresh_from_db()
            return 202, FiringOut(made).data

        return creating.create(request, act)

    @extend_schema(request=None, responses=ScheduleOut, tags=["schedules"])
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: Any) -> Response:
        """Let it rest."""
        no_fields(request.data)
        schedule = self.get_object()
        lifecycle.pause(schedule, because="You paused it.")
        schedule.refresh_from_db()
        return Response(ScheduleOut(schedule).data)

    @extend_schema(request=None, responses=ScheduleOut, tags=["schedules"])
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any) -> Response:
        """Go on from now; 409 when it is not paused."""
        no_fields(request.data)
        return Response(ScheduleOut(lifecycle.resume(self.get_object())).data)

    @extend_schema(
        responses=FiringOut(many=True),
        parameters=[
            OpenApiParameter("cursor", OpenApiTypes.STR),
            OpenApiParameter("limit", {"type": "integer", **LIMIT}),
        ],
        tags=["schedules"],
    )
    @action(detail=True)
    def firings(self, request: Request, pk: Any) -> Response:
        """Return its times so far, the newest first, and what came of each."""
        schedule = get_object_or_404(self.get_queryset(), pk=pk)
        rows: Any = Firing.objects.filter(schedule=schedule)
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(FiringOut(page, many=True).data)


def _fields(asked: dict[str, Any], *, options: dict[str, Any]) -> dict[str, Any]:
    """Return the row's fields of what is asked; raises Invalid when its model or its batch make no sense."""
    changed = {name: asked.pop(name) for name in OPTIONS if name in asked}
    if "allow_changes" in asked:
        changed["read_only"] = not asked.pop("allow_changes")
    if "batch" in asked:
        batch = dict(asked["batch"])
        items = batch.pop("items")
        plan = plan_of(batch, file_format="jsonl")
        language_models.choose(SETTINGS, {name: plan.defaults[name] for name in OF_MODEL if name in plan.defaults})
        asked["batch"] = {"items": items, **asdict(plan)}
    merged = {**options, **changed}
    language_models.choose(SETTINGS, {name: merged[name] for name in OF_MODEL if name in merged})
    return {**asked, "options": merged}
