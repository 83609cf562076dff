"""``GET /api/status/``: the system as this web process sees it; details are for staff."""

from __future__ import annotations

from typing import cast

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops.people.models import User
from aiops.status import examination
from aiops.status.shapes import StatusOut


class Status(APIView):
    """``/api/status/``."""

    @extend_schema(responses=StatusOut, tags=["status"])
    def get(self, request: Request) -> Response:
        """Return the state of the system; details only to staff."""
        return Response(StatusOut(examination.shown_to(cast(User, request.user))).data)
