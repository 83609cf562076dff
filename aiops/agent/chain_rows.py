"""Builds the middleware that a model's rows name; one that cannot start is left out, or fails the run if critical."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

from langchain.agents.middleware import AgentMiddleware

from aiops import log
from aiops.agent.surroundings import Surroundings
from aiops.chains.types import BUILT_IN, RETRY, VALIDATION, of_packages
from aiops.errors import RunFailed
from aiops.llm.values import MiddlewareSpec, ModelSpec

logger = log.get(__name__)


def build(surroundings: Surroundings) -> tuple[tuple[AgentMiddleware[Any, Any], ...], tuple[str, ...]]:
    """Return the middleware, outermost first, and a sentence for each that was left out.

    Raises RunFailed ``middleware_failed``, naming a critical one that cannot start.
    """
    made: list[AgentMiddleware[Any, Any]] = []
    left_out: list[str] = []
    for one in surroundings.spec.chain:
        if one.name == RETRY:  # it configures the built-in retry: see ``tries``
            continue
        try:
            made.append(_made(one, surroundings))
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
    return tuple(made), tuple(left_out)


def tries(spec: ModelSpec, usual: int) -> int:
    """Return how often a call of this model is tried."""
    found = [one.options.get("tries") for one in spec.chain if one.name == RETRY]
    return int(found[0]) if found and found[0] else usual


def removed_patterns(spec: ModelSpec) -> tuple[str, ...]:
    """Return the patterns that must not be in an answer, for what is streamed before middleware sees it."""
    chain: Iterable[MiddlewareSpec] = (one for one in spec.chain if one.name == VALIDATION)
    return tuple(pattern for one in chain for pattern in one.options.get("remove", ()))


def _made(one: MiddlewareSpec, surroundings: Surroundings) -> AgentMiddleware[Any, Any]:
    known = {built_in.path for built_in in BUILT_IN.values()} | of_packages().keys()
    if one.path not in known:
        raise LookupError(f"no installed package offers {one.path}")
    module, _, name = one.path.partition(":")
    made = getattr(importlib.import_module(module), name)(**one.options)
    if not isinstance(made, AgentMiddleware):
        raise TypeError(f"{one.path} is no AgentMiddleware of LangChain")
    if surround := getattr(made, "surround", None):
        surround(surroundings)
    return made
