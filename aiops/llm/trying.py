"""Tries a model: a run of its own conversation that names it, and where its calls go."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings as django_settings
from django.db import transaction

from aiops import background
from aiops.errors import Conflict
from aiops.llm import choice, snapshot
from aiops.llm.models import LLMModel
from aiops.llm.providers import HANDLERS
from aiops.people.models import User
from aiops.runs import send
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.options import RunOptions
from aiops.runs.sources import Source


def target(model: LLMModel) -> dict[str, str]:
    """Return where its calls go: url, and deployment and api_version where there are; {} when that is not known."""
    handler = HANDLERS.get(model.provider.handler)
    if handler is None:
        return {}
    try:
        called = str(model.model_config.get("model") or model.name)
        return handler(model.provider.config_schema).target(called, model.model_config)
    except ValueError:
        return {}


def ask(model: LLMModel, message: str, user: User, *, source: Source) -> Run:
    """Accept a message for this model, without tools that change something; raises Conflict if it is not enabled."""
    if not (model.is_enabled and model.provider.is_enabled):
        raise Conflict(f"{model.name} or its provider is not enabled: enable it first.", code="model_not_enabled")
    settings = django_settings.SETTINGS
    snapshot.forget()
    choice.choose(snapshot.current(settings), {"model": model.name})
    options = RunOptions(deadline_s=settings.run_deadline_s, model=model.name, read_only=True)
    accepted = accept(user, NewMessage(message, options, source=source), max_queued=settings.max_queued_runs)
    sending: Any = partial(background.run_later, send.send_accepted, accepted, ttl_s=settings.stream_ttl_s)
    transaction.on_commit(sending)
    return accepted.run
