"""Upkeep's jobs, for staff: what there is, what ran, what retention would remove; and asking for one now."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings as django_settings
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops import dispatch
from aiops.errors import NotFound
from aiops.jobs.catalogue import catalogue
from aiops.jobs.models import JobRun
from aiops.retention.rules import rules
from aiops.web.api import creating
from aiops.web.api.authentication import MayRunUpkeep
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById
from aiops.web.api.parsing import no_fields
from aiops.web.api.upkeep_shapes import JOBS, JobOut, JobRunOut, JobShown, RuleOut

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, enum=JOBS)
MOST_COUNTED = 100_000


def _known(name: str) -> str:
    if name not in JOBS:
        raise NotFound(f"There is no job {name!r}: there are {', '.join(JOBS)}.")
    return name


class Jobs(APIView):
    """``GET /api/upkeep/``."""

    permission_classes = [MayRunUpkeep]

    @extend_schema(responses=JobShown(many=True), tags=["upkeep"])
    def get(self, request: Request) -> Response:
        """Return every job, how often it comes, and its last run."""
        return Response(JobShown(shown(), many=True).data)


@extend_schema_view(get=extend_schema(parameters=[NAME], tags=["upkeep"]))
class JobRuns(ListAPIView[JobRun]):
    """``GET /api/upkeep/{name}/runs/``: when a job ran, how long it took and what it did, the newest first."""

    permission_classes = [MayRunUpkeep]
    serializer_class = JobRunOut
    pagination_class = ById
    filter_backends = [StrictFilters]

    def get_queryset(self) -> QuerySet[JobRun]:
        """Return the job's runs; raises NotFound."""
        return JobRun.objects.filter(job=_known(self.kwargs.get("name", JOBS[0])))


class RunJob(APIView):
    """``POST /api/upkeep/{name}/run/``."""

    permission_classes = [MayRunUpkeep]

    @extend_schema(request=None, responses={202: JobOut}, parameters=[creating.PARAMETER, NAME], tags=["upkeep"])
    def post(self, request: Request, name: str) -> Response:
        """Ask for a job; its row appears when a worker has done it."""
        _known(name)
        no_fields(request.data)
        answer = creating.create(request, lambda user: (202, {"job": name, "request": str(uuid.uuid4())}))
        dispatch.upkeep(name, request_id=answer.data["request"])  # a second message of one request does nothing
        return answer


class Retention(APIView):
    """``GET /api/upkeep/retention/preview/``."""

    permission_classes = [MayRunUpkeep]

    @extend_schema(responses=RuleOut(many=True), tags=["upkeep"])
    def get(self, request: Request) -> Response:
        """Return the rules of retention and how many things each would remove now (counted up to 100,000)."""
        return Response(preview())


def shown() -> list[dict[str, Any]]:
    """Return every job with its last run."""
    made = []
    for job in catalogue(django_settings.SETTINGS):
        last = JobRun.objects.filter(job=job.name).order_by("-pk").first()
        made.append({"job": job.name, "description": job.description, "every_s": job.every_s, "last": last})
    return made


def preview() -> list[dict[str, Any]]:
    """Return each rule of retention and what it would remove."""
    return [
        {"rule": rule.name, "days": rule.days, "would_remove": rule.due()[:MOST_COUNTED].count()}
        for rule in rules(django_settings.SETTINGS)
    ]
