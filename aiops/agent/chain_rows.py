"""Builds the middleware that a model's rows name; one that cannot start is left out, or fails the run if critical."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from langchain.agents.middleware import AgentMiddleware

from aiops import log
from aiops.agent import langchain_rows
from aiops.agent.surroundings import Surroundings
from aiops.chains.langchain_types import HUMAN_IN_THE_LOOP, MODEL_FALLBACK, MODEL_LIMIT, TOOL_LIMIT
from aiops.chains.types import BUILT_IN, RETRY, VALIDATION, of_packages
from aiops.errors import RunFailed
from aiops.llm.values import MiddlewareSpec, ModelSpec

logger = log.get(__name__)

OWN_NAMES = frozenset(
    {
        *("Repair", "Window", "ModelCallLimitMiddleware", "ToolCallLimitMiddleware", "UserName", "Instructions"),
        *("AnswerSchema", "Steps", "Truncation", "Redaction", "ModelRetry", "Concessions", "ModelPacing", "ToolCall"),
        *("ModelCall", "CallsPerRun", "Approval", "Permission"),
    }
)
"""Names of the built-in middleware: LangChain refuses an agent with two of one name."""


@dataclass(frozen=True, slots=True)
class Chain:
    """What a model's rows became."""

    rows: tuple[AgentMiddleware[Any, Any], ...] = ()
    """The middleware, outermost first."""
    left_out: tuple[str, ...] = ()
    """A sentence for each that was left out."""
    names: tuple[str, ...] = ()
    """Of those in force, with those that configure what every run has."""


async def build(surroundings: Surroundings) -> Chain:
    """Start what the rows name; raises RunFailed ``middleware_failed``, naming a critical one that cannot start."""
    made: list[AgentMiddleware[Any, Any]] = []
    left_out: list[str] = []
    names: list[str] = []
    for one in surroundings.spec.chain:
        if configures_built_in(one):
            names.append(one.name)
            continue
        try:
            started = await start(one, surroundings)
            if started.name in OWN_NAMES | {other.name for other in made}:
                raise ValueError(f"there is a middleware {started.name!r} already")
            made.append(started)
            names.append(one.name)
        except Exception as error:  # another package's class can raise anything
            problem = f"The middleware {one.name} cannot start ({type(error).__name__}: {error})."
            logger.exception("middleware.not_started", middleware=one.name, model=surroundings.spec.label)
            if one.is_critical:
                raise RunFailed(
                    f"{problem} It is critical for the model {surroundings.spec.name!r}: correct it, or make it "
                    "not critical.",
                    code="middleware_failed",
                ) from error
            left_out.append(f"{problem} The answer does without it.")
    return Chain(tuple(made), tuple(left_out), tuple(names))


async def start(one: MiddlewareSpec, surroundings: Surroundings) -> AgentMiddleware[Any, Any]:
    """Return one middleware; raises whatever its class raises, and LookupError for what nobody offers."""
    known = {built_in.path for built_in in BUILT_IN.values()} | of_packages().keys()
    if one.path not in known:
        raise LookupError(f"no installed package offers {one.path}")
    module, _, name = one.path.partition(":")
    # A package may take long to import; the loop has other runs.
    loaded = await asyncio.to_thread(importlib.import_module, module)
    options = await _with_models(one, surroundings)
    made = langchain_rows.made(one, options, patience_s=surroundings.patience_s) or getattr(loaded, name)(**options)
    if not isinstance(made, AgentMiddleware):
        raise TypeError(f"{one.path} is no AgentMiddleware of LangChain")
    if getattr(made, "tools", ()) and "tools" in surroundings.spec.lacks:
        raise ValueError(f"it brings a tool, and {surroundings.spec.name!r} cannot call any")
    if surround := getattr(made, "surround", None):
        surround(surroundings)
    return made


def configures_built_in(one: MiddlewareSpec) -> bool:
    """Return whether a row changes what every run has, instead of adding to it."""
    return one.name in (RETRY, MODEL_LIMIT, MODEL_FALLBACK, HUMAN_IN_THE_LOOP) or (
        one.name == TOOL_LIMIT and "tool_name" not in one.options
    )


def tries(spec: ModelSpec, usual: int) -> int:
    """Return how often a call of this model is tried."""
    return int(_configured(spec, RETRY).get("tries") or usual)


def limit(spec: ModelSpec, name: str, most: int) -> dict[str, Any]:
    """Return the arguments of the built-in limit of this name: rows can only lower what the settings allow."""
    options = _configured(spec, name)
    return langchain_rows.capped({**options, "run_limit": min(most, options.get("run_limit") or most)})


def tools_asked_about(spec: ModelSpec) -> frozenset[str]:
    """Return the names of the tools that people are to be asked about, whatever the policies say."""
    wanted = _configured(spec, HUMAN_IN_THE_LOOP).get("interrupt_on", {})
    return frozenset(name for name, asks in wanted.items() if asks)


def removed_patterns(spec: ModelSpec) -> tuple[str, ...]:
    """Return the patterns that must not be in an answer, for what is streamed before middleware sees it."""
    chain: Iterable[MiddlewareSpec] = (one for one in spec.chain if one.name == VALIDATION)
    return tuple(pattern for one in chain for pattern in one.options.get("remove", ()))


def _configured(spec: ModelSpec, name: str) -> dict[str, Any]:
    return next((one.options for one in spec.chain if one.name == name and configures_built_in(one)), {})


async def _with_models(one: MiddlewareSpec, surroundings: Surroundings) -> dict[str, Any]:
    """Return the config with chat models in place of their names."""
    options, known = one.options, dict(one.models)
    if one.name in langchain_rows.ASK_A_MODEL and "model" not in options:
        own = replace(surroundings.spec, chain=())
        return {**options, "model": await surroundings.helper(own)}
    for field in one.model_fields:
        named = options.get(field)
        for name in named if isinstance(named, list) else [named] if named else []:
            if name not in known:
                raise LookupError(f"there is no model {name!r} that is enabled")
        if isinstance(named, list):
            options[field] = [await surroundings.helper(known[name]) for name in named]
        elif named:
            options[field] = await surroundings.helper(known[named])
    return options
