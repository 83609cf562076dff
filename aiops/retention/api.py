"""The REST view of retention, for staff: what each rule would remove now."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops.retention import rules
from aiops.web.api.authentication import StaffOnly


class RuleOut(serializers.Serializer[Any]):
    """A retention rule and how many objects it would remove now."""

    rule = serializers.CharField()
    days = serializers.IntegerField()
    would_remove = serializers.IntegerField()


class Preview(APIView):
    """``GET /api/upkeep/retention/preview/``."""

    permission_classes = [StaffOnly]

    @extend_schema(responses=RuleOut(many=True), tags=["maintenance"])
    def get(self, request: Request) -> Response:
        """Return the retention rules and how many objects each would remove now (counted up to 100,000)."""
        return Response(rules.preview(django_settings.SETTINGS))
