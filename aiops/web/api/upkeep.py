"""Lets staff ask for an upkeep job now; a worker does it."""

from __future__ import annotations

import uuid

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops import dispatch
from aiops.errors import NotFound
from aiops.web.api import creating
from aiops.web.api.authentication import MayRunUpkeep
from aiops.web.api.parsing import no_fields
from aiops.web.api.shapes import JobOut

NAME = OpenApiParameter("name", str, OpenApiParameter.PATH, enum=list(dispatch.UPKEEP_JOBS))


class RunJob(APIView):
    """``POST /api/upkeep/{name}/run/``."""

    permission_classes = [MayRunUpkeep]

    @extend_schema(request=None, responses={202: JobOut}, parameters=[creating.PARAMETER, NAME], tags=["upkeep"])
    def post(self, request: Request, name: str) -> Response:
        """Ask for a job; its row appears when a worker has done it."""
        if name not in dispatch.UPKEEP_JOBS:
            raise NotFound(f"There is no job {name!r}: there are {', '.join(dispatch.UPKEEP_JOBS)}.")
        no_fields(request.data)
        answer = creating.create(request, lambda user: (202, {"job": name, "request": str(uuid.uuid4())}))
        dispatch.upkeep(name, request_id=answer.data["request"])  # a second message of one request does nothing
        return answer
