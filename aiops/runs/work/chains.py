"""Builds the middleware of a model's rows with what this process has, for runs and for people who try it."""

from __future__ import annotations

import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel

from aiops.agent import chain_rows
from aiops.agent.helpers import prepared
from aiops.agent.surroundings import Surroundings
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.events.redaction import Redactor
from aiops.llm import snapshot
from aiops.llm.client import Client
from aiops.llm.clients import make
from aiops.llm.environment import OFFLINE_MODEL
from aiops.llm.providers import OFFLINE
from aiops.llm.values import MiddlewareSpec, ModelSpec
from aiops.runs.work.context import RunContext
from aiops.settings import Settings

DELETED = "It was deleted meanwhile."
TRIED_S = 10.0
AGAIN_S = 30.0
MAX_PROBLEM_CHARACTERS = 1_000


async def chain_of(client: Client, context: RunContext) -> chain_rows.Chain:
    """Build a client's chain, once; try again what was left out, which may have been a secret that is back.

    Raises RunFailed ``middleware_failed`` for a critical one.
    """

    async def helper(spec: ModelSpec) -> BaseChatModel:
        made = await context.clients.helper(client, spec, timeout_s=context.limits.model_timeout_s)
        return prepared(made.model, spec, context.pacer if spec.handler_name != OFFLINE else None)

    async with client.building:
        chain: chain_rows.Chain | None = client.chain
        if chain is None or (chain.left_out and time.monotonic() - client.chained_at > AGAIN_S):
            given = Surroundings(client.spec, context.redis, helper, patience_s=context.limits.model_timeout_s / 2)
            client.chain = chain = await chain_rows.build(given)
            client.chained_at = time.monotonic()
    return chain


def try_middleware(arguments: dict[str, Any], settings: Settings) -> Coroutine[Any, Any, dict[str, Any]]:
    """Build a middleware (a trial): ``arguments`` are {type (id)} or {use (id)}; {builds, problem}.

    A type is built with its default config, for the default model.
    """
    models = snapshot.read(settings)
    if "use" in arguments:
        use = LLMMiddleware.objects.select_related("middleware", "llm_model").filter(pk=arguments["use"]).first()
        kind, config = (use.middleware, use.config) if use is not None else (None, {})
        model = snapshot.spec(use.llm_model) if use is not None else OFFLINE_MODEL
    else:
        kind, config = MiddlewareType.objects.filter(pk=arguments["type"]).first(), {}
        model = models.default or OFFLINE_MODEL
    if kind is None:
        return _missing()
    return _try(snapshot.with_models(snapshot.middleware_spec(kind, config), models), model, settings)


async def _missing() -> dict[str, Any]:
    return {"builds": False, "problem": DELETED}


async def _try(one: MiddlewareSpec, model: ModelSpec, settings: Settings) -> dict[str, Any]:
    made: list[Client] = []

    async def helper(spec: ModelSpec) -> BaseChatModel:
        made.append(await make(spec, settings, timeout_s=TRIED_S))
        return prepared(made[-1].model, spec)

    try:
        if not chain_rows.configures_built_in(one):
            await chain_rows.start(one, Surroundings(replace(model, chain=()), None, helper))
    except Exception as error:  # noqa: BLE001  another package's class can raise anything
        problem = Redactor.from_settings(settings).redact(f"{type(error).__name__}: {error}")
        return {"builds": False, "problem": problem[:MAX_PROBLEM_CHARACTERS]}
    finally:
        for client in made:
            await client.handler.aclose(client.model)
    return {"builds": True, "problem": ""}
