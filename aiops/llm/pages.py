"""The pages of providers and models."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.changes import recording
from aiops.llm import inputs, plugins, snapshot, trying
from aiops.llm.models import LLMModel, LLMProvider, ProviderHealth, with_references
from aiops.llm.providers import HANDLERS
from aiops.llm.rules import LIMITS
from aiops.llm.values import CAPABILITIES
from aiops.secrets.models import Secret
from aiops.system_prompts.models import SystemPrompt
from aiops.web.pages.listing import page_of
from aiops.web.pages.rights import needs

MOST_OFFERED = 500
"""Rows of a choice in a form."""
SHOWN_CHANGES = 30
USUAL = "ollama"
"""Kind of provider that a form begins with."""


@require_GET
@login_required
@needs("llm.view_llmmodel")
@ensure_csrf_cookie
def models(request: HttpRequest) -> HttpResponse:
    """Show each model with its provider's health, its price and its last use, and a form for a new one."""
    page = page_of(LLMModel.objects.select_related("provider", "model_secret_key"), request)
    known = _health(model.provider.name for model in page.rows)
    for model in page.rows:
        model.health = known.get(model.provider.name)
    now = snapshot.current(django_settings.SETTINGS)
    context = {"here": "models", "page": page, "answering": now.default, "problem": now.problem}
    return render(request, "llm/models.html", {**context, **_choices(LLMModel(), request)})


@require_GET
@login_required
@needs("llm.view_llmmodel")
@ensure_csrf_cookie
def model(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one model: where its calls go, a form to try and to change it, and its change log."""
    found = get_object_or_404(with_references().prefetch_related("fallback_rows__fallback"), pk=pk)
    context = {
        "here": "models",
        "model": found,
        "health": _health([found.provider.name]).get(found.provider.name),
        "target": trying.target(found),
        "changes": recording.of(found)[:SHOWN_CHANGES],
        **_chain(found),
    }
    return render(request, "llm/model.html", {**context, **_choices(found, request)})


@require_GET
@login_required
@needs("llm.view_llmprovider")
@ensure_csrf_cookie
def providers(request: HttpRequest) -> HttpResponse:
    """Show each provider with its health, and a form for a new one."""
    page = page_of(LLMProvider.objects.annotate(model_count=Count("llm_models")), request)
    known = _health(provider.name for provider in page.rows)
    for provider in page.rows:
        provider.health = known.get(provider.name)
    context = {
        "here": "providers",
        "page": page,
        "handlers": _handlers(LLMProvider(handler=USUAL)),
        "plugins": plugins.FOUND,
        **_reason(),
    }
    return render(request, "llm/providers.html", context)


@require_GET
@login_required
@needs("llm.view_llmprovider")
@ensure_csrf_cookie
def provider(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one provider with a form to change it, its models and its change log."""
    found = get_object_or_404(LLMProvider, pk=pk)
    context = {
        "here": "providers",
        "provider": found,
        "health": _health([found.name]).get(found.name),
        "handlers": _handlers(found),
        **_reason(),
        "models": found.llm_models.all()[:MOST_OFFERED],
        "changes": recording.of(found)[:SHOWN_CHANGES],
    }
    return render(request, "llm/provider.html", context)


def _health(names: Iterable[str]) -> dict[str, ProviderHealth]:
    return ProviderHealth.objects.in_bulk(set(names))


def _handlers(provider: LLMProvider) -> list[dict[str, Any]]:
    """Return each handler with the inputs of its settings."""
    return [
        {
            "name": name,
            "chosen": name == provider.handler,
            "install": handler.install,
            "inputs": inputs.of_schema(
                handler.config_schema, provider.config_schema if name == provider.handler else {}
            ),
        }
        for name, handler in HANDLERS.items()
    ]


def _choices(model: LLMModel, request: HttpRequest) -> dict[str, Any]:
    """Return what the form of a model offers."""
    parameters = [
        {
            "name": name,
            "inputs": inputs.of_schema(
                handler.model_schema,
                model.model_config if model.provider_id and name == model.provider.handler else {},
            ),
        }
        for name, handler in HANDLERS.items()
    ]
    sees_secrets = request.user.has_perm("secrets.view_secret")
    return {
        "row": model,
        "providers": LLMProvider.objects.all()[:MOST_OFFERED],
        "secrets": Secret.objects.all()[:MOST_OFFERED] if sees_secrets else [],
        "prompts": SystemPrompt.objects.filter(status=SystemPrompt.Status.APPROVED)[:MOST_OFFERED],
        "others": LLMModel.objects.exclude(pk=model.pk)[:MOST_OFFERED],
        "parameters": parameters,
        "capabilities": [(name, _label(name), model.capabilities.get(name)) for name in CAPABILITIES],
        "limits": [(name, _label(name), model.limits.get(name)) for name in LIMITS],
        "fallbacks": "" if model._state.adding else "\n".join(one.fallback.name for one in model.fallback_rows.all()),
        "patterns": "\n".join(model.advanced_patterns),
        "currency": django_settings.SETTINGS.currency,
        **_reason(),
    }


def _chain(model: LLMModel) -> dict[str, Any]:
    """Return the model's middleware in nesting order, and what it can be given besides."""
    chain = list(LLMMiddleware.objects.filter(llm_model=model).select_related("middleware"))
    for one in chain:
        one.shown = json.dumps({**one.middleware.default_config, **one.config})  # type: ignore[attr-defined]
    types = list(MiddlewareType.objects.exclude(pk__in=[one.middleware_id for one in chain]))
    for kind in types:
        kind.shown_schema = json.dumps(kind.config_schema.get("properties", {}))  # type: ignore[attr-defined]
        kind.shown_default = json.dumps(kind.default_config)  # type: ignore[attr-defined]
    return {"chain": chain, "types": types}


def _reason() -> dict[str, bool]:
    return {"reason_required": django_settings.SETTINGS.require_change_reason}


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


urlpatterns = [
    path("models/", models, name="models"),
    path("models/<uuid:pk>/", model, name="model"),
    path("providers/", providers, name="providers"),
    path("providers/<uuid:pk>/", provider, name="provider"),
]
