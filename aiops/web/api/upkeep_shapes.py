"""The JSON of upkeep: jobs, their runs, and rules of retention."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from rest_framework import serializers

from aiops.jobs.catalogue import names
from aiops.jobs.models import JobRun

JOBS = names(django_settings.SETTINGS)


class JobOut(serializers.Serializer[Any]):
    """A job that was asked for."""

    job = serializers.ChoiceField(JOBS)
    request = serializers.UUIDField()


class JobRunOut(serializers.ModelSerializer[JobRun]):
    """One time that a job ran: when, how it went, how long it took and what it did."""

    class Meta:
        """The fields shown."""

        model = JobRun
        fields = ["id", "job", "outcome", "started_at", "ms", "summary"]


class JobShown(serializers.Serializer[Any]):
    """A job and its last run."""

    job = serializers.ChoiceField(JOBS)
    description = serializers.CharField()
    every_s = serializers.FloatField()
    last = JobRunOut(allow_null=True)


class RuleOut(serializers.Serializer[Any]):
    """A rule of retention: what it would remove now."""

    rule = serializers.CharField()
    days = serializers.IntegerField()
    would_remove = serializers.IntegerField()
