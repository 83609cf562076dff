"""The JSON of the status."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aiops import dispatch
from aiops.maintenance.models import JobRun
from aiops.tool_servers.models import MCPServer

ENDED = [one for one in JobRun.Outcome.choices if one[0] != JobRun.Outcome.RUNNING]


class PartOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    address = serializers.CharField(help_text="without user and password")
    problem = serializers.CharField()


class QueueOut(serializers.Serializer[Any]):
    queue = serializers.ChoiceField(dispatch.QUEUES)
    workers = serializers.IntegerField(allow_null=True, help_text="with a recent heartbeat; null: unknown")
    waiting = serializers.IntegerField(allow_null=True, help_text="messages in the broker; null: unknown")
    running = serializers.IntegerField(allow_null=True, help_text="runs that workers have claimed; null: unknown")
    oldest_s = serializers.FloatField(allow_null=True, help_text="how long the oldest queued run waits; null: unknown")


class WorkerOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    queue = serializers.ChoiceField(dispatch.QUEUES)
    seen_s = serializers.FloatField(help_text="since its last heartbeat")
    runs = serializers.IntegerField(allow_null=True, help_text="that it holds a lease on; null: unknown")
    loop_lag_s = serializers.FloatField(allow_null=True, help_text="the delay of its event loop; null: unknown")


class BeatOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    last_at = serializers.DateTimeField(allow_null=True, help_text="when it last started the reaper")


class DiskOut(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    path = serializers.CharField()
    free_bytes = serializers.IntegerField(allow_null=True)
    total_bytes = serializers.IntegerField(allow_null=True)


class FailureOut(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(["run", "batch", "schedule"])
    id = serializers.UUIDField(allow_null=True, help_text="null where the caller may not see whose it is")
    name = serializers.CharField(help_text="the run's prompt, or the batch's or schedule's name")
    at = serializers.DateTimeField()
    detail = serializers.CharField()


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
    overdue = serializers.BooleanField()


class ToolServerStatusOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    status = serializers.ChoiceField(MCPServer.Status.choices)
    problem = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    since = serializers.DateTimeField(allow_null=True, help_text="of the status")
    checked_at = serializers.DateTimeField(allow_null=True)
    uptime = serializers.FloatField(allow_null=True, help_text="share of the checks of the last 48 hours; null: none")


class DetailsOut(serializers.Serializer[Any]):
    database = PartOut()
    redis = PartOut()
    broker = PartOut()
    disk = DiskOut()
    queues = QueueOut(many=True)
    workers = WorkerOut(many=True)
    beat = BeatOut()
    provider = ReachedOut(allow_null=True)
    jobs = LastRunOut(many=True)
    tool_servers = ToolServerStatusOut(many=True)
    failures = FailureOut(many=True, help_text="of the last 24 hours, newest first")


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
