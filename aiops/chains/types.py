"""The built-in types of middleware that a model can be given, as plain data; ``agent.chain_rows`` builds them.

An installed package adds its own as entry points ``aiops.middleware``: name → class, a LangChain AgentMiddleware.
"""

from __future__ import annotations

import importlib.metadata

from aiops.chains.langchain_types import LANGCHAIN
from aiops.chains.values import BuiltIn

ENTRY_POINTS = "aiops.middleware"
RETRY = "RetryMiddleware"
VALIDATION = "ValidationMiddleware"
PATTERN = {"type": "string", "minLength": 1, "maxLength": 200}


OWN = {
    "LoggingMiddleware": BuiltIn(
        "aiops.agent.middleware.call_log:LoggingMiddleware",
        "Logs each call of the model: how many messages and tools, how long it took, tokens; never a text.",
    ),
    "CacheMiddleware": BuiltIn(
        "aiops.agent.middleware.answer_cache:CacheMiddleware",
        "Answers what the same person asked before with the same answer, unless tools were called.",
        {
            "ttl_s": {
                "type": "integer",
                "minimum": 1,
                "maximum": 86_400,
                "description": "default: the model's cache_ttl",
            }
        },
    ),
    RETRY: BuiltIn(
        "aiops.agent.middleware.model_retry:ModelRetry",
        "Sets how often a call of the model is tried; the built-in retry does it, so that nothing is multiplied.",
        {"tries": {"type": "integer", "minimum": 1, "maximum": 10}},
        {"tries": 3},
    ),
    VALIDATION: BuiltIn(
        "aiops.agent.middleware.validation:ValidationMiddleware",
        "Refuses questions that are too long or match a pattern, and removes what must not be in an answer.",
        {
            "max_characters": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
            "deny": {
                "type": "array",
                "maxItems": 50,
                "items": {
                    "type": "object",
                    "properties": {"pattern": PATTERN, "reason": {"type": "string", "minLength": 1, "maxLength": 300}},
                    "required": ["pattern", "reason"],
                    "additionalProperties": False,
                },
            },
            "remove": {"type": "array", "maxItems": 50, "items": PATTERN},
        },
    ),
    "PromptInjectionMiddleware": BuiltIn(
        "aiops.agent.middleware.prompt_injection:PromptInjectionMiddleware",
        "Says so when the result of a tool looks like instructions to the model.",
        {"patterns": {"type": "array", "maxItems": 50, "items": PATTERN}},
    ),
}

BUILT_IN = {**OWN, **LANGCHAIN}


def of_packages() -> dict[str, str]:
    """Return the classes that installed packages offer: path (``module:Class``) → name of the entry point."""
    return {point.value: point.name for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
