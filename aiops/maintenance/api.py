"""REST views of maintenance, for staff: list jobs and their runs, and run a job now."""

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
from aiops.maintenance.catalogue import catalogue
from aiops.maintenance.models import JobRun
from aiops.maintenance.shapes import JOBS, JobOut, JobRunOut, JobShown
from aiops.web.api import creating
from aiops.web.api.authentication import StaffOnly
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById
from aiops.web.api.parsing import no_fields

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, enum=JOBS)


def _known(name: str) -> str:
    if name not in JOBS:
        raise NotFound(f"There is no job {name!r}: use one of {', '.join(JOBS)}.")
    return name


class Jobs(APIView):
    """``GET /api/upkeep/``."""

    permission_classes = [StaffOnly]

    @extend_schema(responses=JobShown(many=True), tags=["maintenance"])
    def get(self, request: Request) -> Response:
        """Return every job with its interval and its last run."""
        return Response(JobShown(jobs_with_last_run(), many=True).data)


@extend_schema_view(get=extend_schema(parameters=[NAME], tags=["maintenance"]))
class JobRuns(ListAPIView[JobRun]):
    """``GET /api/upkeep/{name}/runs/``: the runs of a job with duration and outcome, newest first."""

    permission_classes = [StaffOnly]
    serializer_class = JobRunOut
    pagination_class = ById
    filter_backends = [StrictFilters]

    def get_queryset(self) -> QuerySet[JobRun]:
        return JobRun.objects.filter(job=_known(self.kwargs.get("name", JOBS[0])))


class RunJob(APIView):
    """``POST /api/upkeep/{name}/run/``."""

    permission_classes = [StaffOnly]

    @extend_schema(request=None, responses={202: JobOut}, parameters=[creating.PARAMETER, NAME], tags=["maintenance"])
    def post(self, request: Request, name: str) -> Response:
        """Run a job now. Its run is listed as soon as a worker has started it."""
        _known(name)
        no_fields(request.data)
        answer = creating.create(request, lambda user: (202, {"job": name, "request": str(uuid.uuid4())}))
        dispatch.upkeep(name, request_id=answer.data["request"])  # a duplicate of one request finds its slot taken
        return answer


def jobs_with_last_run() -> list[dict[str, Any]]:
    """Return the name, description, interval and last run of every job."""
    newest = JobRun.objects.order_by("-pk")
    return [
        {
            "job": job.name,
            "description": job.description,
            "every_s": job.every_s,
            "last": newest.filter(job=job.name).first(),
        }
        for job in catalogue(django_settings.SETTINGS)
    ]
