"""Response serializers of jobs and their runs."""

from typing import Any

from django.conf import settings as django_settings
from rest_framework import serializers

from aiops.maintenance.catalogue import names
from aiops.maintenance.models import JobRun

JOBS = names(django_settings.SETTINGS)


class JobOut(serializers.Serializer[Any]):
    """A job that was requested."""

    job = serializers.ChoiceField(JOBS)
    request = serializers.UUIDField()


class JobRunOut(serializers.ModelSerializer[JobRun]):
    """One run of a job: its start, outcome, duration and counts."""

    class Meta:
        model = JobRun
        fields = ["id", "job", "outcome", "started_at", "ms", "summary"]


class JobShown(serializers.Serializer[Any]):
    """A job and its last run."""

    job = serializers.ChoiceField(JOBS)
    description = serializers.CharField()
    every_s = serializers.FloatField()
    last = JobRunOut(allow_null=True)
