"""Chooses the language model of a run from those that are configured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import regex

from aiops import log
from aiops.errors import Conflict, Invalid
from aiops.llm.values import ASKED_FOR, FALLBACK, FORCED, TASK_PATTERN, Models, ModelSpec

MOST_NAMED = 20
"""Models that an error lists."""
PATTERN_S = 0.05
"""Longest search for one task pattern."""
MAX_SEARCHED = 4_000
"""Characters of a message in which task patterns are looked for."""

logger = log.get(__name__)


def choose(models: Models, options: dict[str, Any], *, text: str = "") -> ModelSpec:
    """Return the model for a message's options (model, provider, temperature, max_tokens, force_advanced).

    A named model comes first, then the default's advanced one for a ``text`` that a task pattern matches, then the
    default. Raises Invalid when the named one is not configured, Conflict ``no_default_model`` when there is none.
    """
    name, provider = options.get("model"), options.get("provider")
    if name or provider:
        chosen = replace(_named(models, name, provider), reason=ASKED_FOR)
    elif models.default is None:
        raise Conflict(models.problem, code="no_default_model")
    else:
        chosen = models.default
    chosen = _routed(models, chosen, text, force=bool(options.get("force_advanced")), named=bool(name))
    own = {name: options[name] for name in ("temperature", "max_tokens") if options.get(name) is not None}
    if "temperature" in own and "temperature" in chosen.lacks:
        raise Invalid(
            "This model takes no temperature.", errors={"temperature": [f"{chosen.name} takes none: leave it out."]}
        )
    return replace(chosen, **own) if own else chosen


def fallbacks(models: Models, spec: ModelSpec) -> Iterator[ModelSpec]:
    """Yield the models that answer instead while the provider of ``spec`` is down, in their order."""
    for name in spec.fallbacks:
        found = next((one for one in models.specs if one.name == name), None)
        if found is not None:
            yield replace(found, reason=FALLBACK)


def problem_with(options: dict[str, Any], models: Models) -> str:
    """Return why no run can have these options; empty when it can, or while no model is configured at all."""
    try:
        choose(models, {name: options[name] for name in ("model", "provider") if name in options})
    except Invalid as error:
        return " ".join(f"{field}: {reason}" for field, reasons in error.errors.items() for reason in reasons)
    except Conflict:
        return ""
    return ""


def _named(models: Models, name: str | None, provider: str | None) -> ModelSpec:
    matching = [m for m in models.specs if (name in (None, m.name)) and (provider in (None, m.provider))]
    if not matching:
        known = [f"{m.name} ({m.provider})" for m in models.specs[:MOST_NAMED]]
        more = f" and {len(models.specs) - MOST_NAMED} more" if len(models.specs) > MOST_NAMED else ""
        there = f"There are: {', '.join(known)}{more}." if known else models.problem
        raise Invalid(
            "There is no such model.",
            errors={"provider" if name is None else "model": [f"Not configured. {there}"]},
        )
    return models.default if models.default in matching else matching[0]


def _routed(models: Models, chosen: ModelSpec, text: str, *, force: bool, named: bool) -> ModelSpec:
    """Return the advanced model instead, if it was forced, or no model was named and a task pattern matches."""
    if force and chosen.routes_itself:
        parameters = json.dumps({**json.loads(chosen.parameters), "force_advanced": True}, sort_keys=True)
        return replace(chosen, parameters=parameters, reason=FORCED)
    if not force and (named or not any(_matches(pattern, text) for pattern in chosen.patterns)):
        return chosen
    advanced = next((one for one in models.specs if one.name == chosen.advanced), None) if chosen.advanced else None
    if advanced is None:
        if force:
            raise Invalid(
                "This model has no advanced one.",
                errors={
                    "force_advanced": [f"{chosen.name} has no advanced model for you: leave it out, or name a model."]
                },
            )
        return chosen
    return replace(advanced, reason=FORCED if force else TASK_PATTERN)


def _matches(pattern: str, text: str) -> bool:
    try:
        return bool(text) and regex.search(pattern, text[:MAX_SEARCHED], timeout=PATTERN_S) is not None
    except TimeoutError:
        logger.warning("routing.pattern_too_slow", pattern=pattern[:80])
        return False
