"""Models as values, and clients of scripted ones, for tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiops.llm.client import Client
from aiops.llm.providers import HANDLERS
from aiops.llm.values import Models, ModelSpec

STUB = ModelSpec("ollama", "stub")


def spec_at(provider: str, url: str = "", *, name: str = "m", key: str = "", **options: Any) -> ModelSpec:
    """Return a model of a provider whose server has this address."""
    config = {HANDLERS[provider].address: url} if url else {}
    return ModelSpec(provider, name, config=json.dumps(config), api_key=key, **options)


def only(spec: ModelSpec) -> Models:
    """Return what a process knows when there is one model."""
    return Models((spec,), spec)


def client_of(model: Any, spec: ModelSpec = STUB) -> Client:
    """Return the client of a scripted model."""
    return Client(spec, model, HANDLERS[spec.handler_name]())


def gives(model: Any) -> Callable[..., Any]:
    """Return a stand-in for ``clients.make`` that gives this model whatever is asked for."""

    async def make(spec: ModelSpec, settings: Any, *, timeout_s: float) -> Client:
        return client_of(model, spec)

    return make
