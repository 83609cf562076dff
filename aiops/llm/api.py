"""The API of providers and models, and of providers' reachability; by permission."""

from __future__ import annotations

from typing import Any

import django_filters
from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.llm import saving, trying
from aiops.llm.models import LLMModel, LLMProvider, ProviderHealth, with_references
from aiops.llm.shapes import (
    LLMModelOut,
    LLMProviderOut,
    ModelChange,
    ModelIn,
    ProviderChange,
    ProviderIn,
    TriedOut,
    TryIn,
)
from aiops.people.models import ApiToken, User
from aiops.runs.sources import Source
from aiops.web.api import creating
from aiops.web.api.authentication import MayWrite
from aiops.web.api.filtering import TruthFilter
from aiops.web.api.parsing import no_fields
from aiops.web.api.row_shapes import WHY, described
from aiops.web.api.rows import Rows, TagFilter

PROVIDERS, MODELS = "llm-providers", "llm-models"


class ProviderFilters(django_filters.FilterSet):
    handler = django_filters.CharFilter(max_length=40)
    is_enabled = TruthFilter()
    tag = TagFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


class ModelFilters(ProviderFilters):
    handler = django_filters.CharFilter(field_name="provider__handler", max_length=40)
    provider = django_filters.CharFilter(field_name="provider__name", max_length=40)
    secret = django_filters.CharFilter(field_name="model_secret_key__name", max_length=60)
    is_default = TruthFilter()


@described(
    PROVIDERS,
    new=ProviderIn,
    change=ProviderChange,
    row=LLMProviderOut,
    example=(
        "a server with OpenAI's API",
        {"name": "vllm", "handler": "openai", "config_schema": {"base_url": "https://vllm.example.org/v1"}},
    ),
)
class LLMProviders(Rows):
    """``/api/llm-providers/``."""

    table = LLMProvider
    queryset = LLMProvider.objects.all()
    serializer_class = LLMProviderOut
    filterset_class = ProviderFilters
    shape, change = ProviderIn, ProviderChange
    defaults = {"description": "", "documentation_url": "", "config_schema": {}, "is_enabled": True, "tags": []}

    def save_row(self, row: LLMProvider, fields: dict[str, Any], user: User) -> LLMProvider:
        return saving.put_provider(row, fields, user)

    def remove_row(self, row: LLMProvider, user: User) -> None:
        saving.remove(row)


@described(
    MODELS,
    new=ModelIn,
    change=ModelChange,
    row=LLMModelOut,
    example=(
        "a model whose key is the secret openai",
        {"name": "gpt-4o", "provider": "openai", "model_secret_key": "openai", "is_default": True},
    ),
)
class LLMModels(Rows):
    """``/api/llm-models/``."""

    table = LLMModel
    queryset = with_references().prefetch_related("fallback_rows__fallback")
    rights = {**Rows.rights, "make_default": "change", "try_model": "change"}
    later = ("advanced_model", "advanced_patterns", "fallbacks")
    serializer_class = LLMModelOut
    filterset_class = ModelFilters
    shape, change = ModelIn, ModelChange
    defaults = {
        "description": "",
        "model_secret_key": None,
        "temperature": None,
        "cache_ttl": 300,
        "model_config": {},
        "system_prompt": None,
        "context_window": None,
        "price_in": None,
        "price_out": None,
        "capabilities": {},
        "advanced_model": None,
        "advanced_patterns": [],
        "limits": {},
        "fallbacks": [],
        "is_enabled": True,
        "is_default": False,
        "groups": [],
        "tags": [],
    }

    def save_row(self, row: LLMModel, fields: dict[str, Any], user: User) -> LLMModel:
        return saving.put_model(row, fields, user)

    def remove_row(self, row: LLMModel, user: User) -> None:
        saving.remove(row)

    @extend_schema(request=None, responses=LLMModelOut, parameters=[WHY], tags=[MODELS])
    @action(detail=True, methods=["post"], url_path="make-default")
    def make_default(self, request: Request, pk: Any) -> Response:
        """Make it the default instead of the one that is; messages that name no model go to it within a second."""
        no_fields(request.data)
        with self._by(request), transaction.atomic():
            row = saving.make_default(self._locked(pk))
        return Response(self.get_serializer(row).data)

    @extend_schema(
        request=TryIn,
        responses={202: TriedOut},
        parameters=[creating.PARAMETER],
        examples=[OpenApiExample("a question", {"message": "Say hello."}, request_only=True)],
        tags=[MODELS],
    )
    @action(detail=True, methods=["post"], url_path="try")
    def try_model(self, request: Request, pk: Any) -> Response:
        """Ask it one question: a run of your own that names this model, without tools that change something."""
        message = TryIn.read(request.data)["message"]
        model = self.get_object()
        source = Source.API if isinstance(request.auth, ApiToken) else Source.CHAT

        def act(user: User) -> tuple[int, Any]:
            run = trying.ask(model, message, user, source=source)
            here = f"/api/runs/{run.pk}"
            links = {"self": f"{here}/", "events": f"{here}/events", "cancel": f"{here}/cancel/"}
            return 202, TriedOut(
                {"id": run.pk, "state": run.state, "links": links, "target": trying.target(model)}
            ).data

        return creating.create(request, act)


class MaySee(MayWrite):
    message = "You need the permission to see tool servers."

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.has_perm("tool_servers.view_mcpserver")


class ProviderOut(serializers.ModelSerializer[ProviderHealth]):
    """A model provider, and whether it could be reached."""

    class Meta:
        model = ProviderHealth
        fields = ["provider", "reachable", "detail", "checked_at", "since"]


@extend_schema_view(get=extend_schema(tags=["mcp-servers"]))
class Providers(ListAPIView[ProviderHealth]):
    """``GET /api/providers/health/``: whether each configured model provider could be reached at the last check."""

    queryset = ProviderHealth.objects.order_by("provider")
    permission_classes = [MaySee]
    serializer_class = ProviderOut
    pagination_class = None
