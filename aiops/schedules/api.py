"""REST views of schedules: create, change, run, pause and resume one's own schedules."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any, cast

from django.conf import settings as django_settings
from django.db.models import QuerySet
from django.http import QueryDict
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.batches.lifecycle import Plan
from aiops.batches.reading.lines import as_jsonl
from aiops.batches.validation import lines_of, rules_for
from aiops.errors import Invalid
from aiops.llm import choice, snapshot
from aiops.people.models import User
from aiops.schedules import firing, lifecycle, uploads
from aiops.schedules.models import Firing, Schedule
from aiops.schedules.shapes import FiringOut, ScheduleChange, ScheduleForm, ScheduleIn, ScheduleOut
from aiops.web.api import creating
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import LIMIT, ById
from aiops.web.api.parsing import StrictJSON, no_fields
from aiops.webhooks import mailing
from aiops.webhooks.models import Delivery

SETTINGS = django_settings.SETTINGS
OF_MODEL = ("model", "provider", "temperature")
OPTIONS = (*OF_MODEL, "deadline_s")


class ScheduleJSON(StrictJSON):
    """A body without a file is as small as others."""

    max_bytes = SETTINGS.max_body_bytes
    cure = "Send the batch as a file in a form."


@extend_schema_view(list=extend_schema(tags=["schedules"]), retrieve=extend_schema(tags=["schedules"]))
class Schedules(ListModelMixin, RetrieveModelMixin, GenericViewSet[Schedule]):
    """``/api/schedules/``."""

    queryset = Schedule.objects.none()
    serializer_class = ScheduleOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    lookup_value_converter = "uuid"
    parser_classes = [ScheduleJSON, MultiPartParser]

    def get_queryset(self) -> QuerySet[Any]:
        return Schedule.objects.filter(user=self.request.user.pk)

    @extend_schema(
        request={"application/json": ScheduleIn, "multipart/form-data": ScheduleForm},
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
        """Schedule a prompt or a batch."""
        given, sent = uploads.read(request)
        asker = cast(User, request.user)
        fields, options = _fields(given, asker)
        fields["options"] = {"read_only": True, **options}
        _check_model(fields["options"], asker)

        def act(user: User) -> tuple[int, Any]:
            return 201, ScheduleOut(lifecycle.make(user, fields, most=SETTINGS.max_schedules)).data

        return creating.create(request, act, sent=sent)

    @extend_schema(request={"application/json": ScheduleChange}, responses=ScheduleOut, tags=["schedules"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change what is started, or when."""
        schedule = self.get_object()
        if isinstance(request.data, QueryDict):  # a field that a form lacks would count as false
            raise UnsupportedMediaType(str(request.content_type))
        fields, options = _fields(ScheduleChange.read(request.data), cast(User, request.user))
        if ("message" in fields and schedule.batch is not None) or ("batch" in fields and schedule.batch is None):
            raise Invalid("A prompt cannot become a batch, nor a batch a prompt: create another schedule.")
        check = partial(_check_model, user=cast(User, request.user))
        return Response(ScheduleOut(lifecycle.change(schedule, fields, options=options, check=check)).data)

    @extend_schema(responses={204: None}, tags=["schedules"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete it. Its answers stay."""
        lifecycle.remove(self.get_object())
        return Response(status=204)

    @extend_schema(request=None, responses={202: FiringOut}, parameters=[creating.PARAMETER], tags=["schedules"])
    @action(detail=True, methods=["post"])
    def run(self, request: Request, pk: Any) -> Response:
        """Run it once now, in addition to its times, even when it is paused."""
        no_fields(request.data)
        schedule = self.get_object()

        def act(user: User) -> tuple[int, Any]:
            fired = firing.run_now(schedule, SETTINGS)
            fired.refresh_from_db()
            return 202, FiringOut(fired).data

        return creating.create(request, act)

    @extend_schema(request=None, responses=ScheduleOut, tags=["schedules"])
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: Any) -> Response:
        """Pause it until it is resumed."""
        no_fields(request.data)
        lifecycle.pause(self.get_object(), because="You paused it.")
        return Response(ScheduleOut(self.get_object()).data)

    @extend_schema(request=None, responses=ScheduleOut, tags=["schedules"])
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: Any) -> Response:
        """Resume it from now on; 409 when it is not paused."""
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
        """Return its firings and their outcomes, newest first."""
        schedule = get_object_or_404(self.get_queryset(), pk=pk)
        rows: Any = Firing.objects.filter(schedule=schedule)
        page: Any = self.paginate_queryset(rows)
        return self.get_paginated_response(FiringOut(page, many=True).data)


def _fields(given: dict[str, Any], user: User) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide validated fields into (the row's fields, the options of its runs); raises Invalid for an invalid batch."""
    options = {name: given.pop(name) for name in OPTIONS if name in given}
    if "allow_changes" in given:
        options["read_only"] = not given.pop("allow_changes")
    if "webhook" in given:
        given["webhook"] = given["webhook"] or ""
    if "notify" in given:
        given |= _notify(given.pop("notify") or {"by": ""}, user)
    if "stored_batch" in given:
        given["batch"] = given.pop("stored_batch")
        _check_model(given["batch"]["defaults"], user)
    elif "batch" in given:
        batch = dict(given["batch"])
        items = batch.pop("items")
        plan = Plan.of_request(batch, file_format="jsonl")
        _check_model(plan.defaults, user)
        _check_items(items, plan, user)
        given["batch"] = {"items": items, **asdict(plan)}
    return given, options


def _notify(chosen: dict[str, str], user: User) -> dict[str, str]:
    """Return the row's fields; raises Invalid for mail that nobody could send, or that has no address."""
    problem = ""
    if chosen["by"] == Delivery.Form.MAIL and not mailing.is_configured(SETTINGS):
        problem = mailing.NOT_CONFIGURED
    elif chosen["by"] == Delivery.Form.MAIL and not user.email:
        problem = "Your account has no mail address: an administrator can set one (People, your name)."
    if problem:
        raise Invalid("Mail cannot be sent.", errors={"notify": [problem]})
    return {"notify_by": chosen["by"], "notify_url": chosen.get("url", "")}


def _check_model(options: dict[str, Any], user: User) -> None:
    """Raise Invalid or Conflict when these options choose no model that this person may choose."""
    choice.choose(snapshot.for_user(user, SETTINGS), {name: options[name] for name in OF_MODEL if name in options})


def _check_items(items: list[dict[str, Any]], plan: Plan, user: User) -> None:
    """Raise Invalid, naming the first of them, when items could never run."""
    checked = lines_of(
        [as_jsonl(items)],
        plan.format,
        rules_for(plan, SETTINGS),
        defaults=plan.defaults,
        check_options=partial(snapshot.problem_with, settings=SETTINGS, user=user),
    )
    problems = [f"Item {line.number}: {line.problem}" for line in checked if line.problem]
    if problems:
        raise Invalid("Correct batch.", errors={"batch": problems[: uploads.MAX_PROBLEMS_SHOWN]})
