"""``GET /api/status/``: the system as this web process sees it; details are for staff."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops import dispatch
from aiops.maintenance.models import JobRun
from aiops.tool_servers.models import MCPServer
from aiops.web import status

ENDED = [one for one in JobRun.Outcome.choices if one[0] != JobRun.Outcome.RUNNING]


class PartOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    address = serializers.CharField(help_text="without user and password")
    problem = serializers.CharField()


class QueueOut(serializers.Serializer[Any]):
    queue = serializers.ChoiceField(dispatch.QUEUES)
    workers = serializers.IntegerField(allow_null=True, help_text="with a recent heartbeat; null: unknown")
    waiting = serializers.IntegerField(allow_null=True, help_text="messages in the broker; null: unknown")


class ReachedOut(serializers.Serializer[Any]):
    reachable = serializers.BooleanField()
    detail = serializers.CharField()
    checked_at = serializers.DateTimeField()
    since = serializers.DateTimeField()


class LastRunOut(serializers.Serializer[Any]):
    job = serializers.CharField()
    every_s = serializers.FloatField()
    started_at = serializers.DateTimeField(allow_null=True)
    outcome = serializers.ChoiceField(ENDED, allow_null=True)


class ToolServerStatusOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    status = serializers.ChoiceField(MCPServer.Status.choices)
    problem = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]


class DetailsOut(serializers.Serializer[Any]):
    database = PartOut()
    redis = PartOut()
    broker = PartOut()
    queues = QueueOut(many=True)
    provider = ReachedOut(allow_null=True)
    jobs = LastRunOut(many=True)
    tool_servers = ToolServerStatusOut(many=True)


class ModelChosenOut(serializers.Serializer[Any]):
    provider = serializers.CharField()
    name = serializers.CharField()
    reason = serializers.CharField()
    problem = serializers.CharField()


class StatusOut(serializers.Serializer[Any]):
    state = serializers.ChoiceField(["ok", "degraded"])
    missing = serializers.ListField(child=serializers.CharField(), help_text="parts that are down or failed")
    version = serializers.CharField()
    environment = serializers.ChoiceField(["LAB", "NONPROD", "PROD"])
    uptime_s = serializers.FloatField(help_text="of the web process that answers")
    model = ModelChosenOut()
    details = DetailsOut(allow_null=True, help_text="null unless the caller is staff")


class Status(APIView):
    @extend_schema(responses=StatusOut, tags=["status"])
    def get(self, request: Request) -> Response:
        """Return the state of the system; details only to staff."""
        state = status.examine()
        return Response(StatusOut(state if request.user.is_staff else {**state, "details": None}).data)
