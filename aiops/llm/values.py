"""The frozen values of language models; importing this module loads no large package."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiops.secrets.values import SecretSpec

QUESTION_CHARACTERS = "question_characters"
"""Key, in a user's message with attachments, of the length of the question before them."""
ADDRESS_CURE = "AIOPS_LLM_NETWORKS allows private networks, also by http"
CAPABILITIES = ("tools", "parallel_tools", "temperature", "streaming", "reasoning_echo")
"""What a model can do, as its row says; what a row does not mention is there, except ``reasoning_echo``."""


DEFAULT, ASKED_FOR, TASK_PATTERN = "default", "asked for", "task pattern"
FORCED, FALLBACK = "force_advanced", "fallback"
"""Reasons why a model answers."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Limits of one model for all processes together; 0 means no limit."""

    concurrency: int = 0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """Price of a million tokens, in AIOPS_CURRENCY; None where it is not known."""

    into: Decimal | None = None
    out: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """A version of a system prompt; its text may have fields."""

    name: str
    version: int
    text: str

    @property
    def label(self) -> str:
        """Its name in the usage of runs."""
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class MiddlewareSpec:
    """One middleware of a model; the first of a chain is outermost."""

    name: str
    path: str
    config: str = "{}"
    """As JSON."""
    is_critical: bool = False
    model_fields: tuple[str, ...] = ()
    """Names in its config whose values are names of models."""
    models: tuple[tuple[str, ModelSpec], ...] = ()
    """The models that it names, as far as they can be used."""

    @property
    def options(self) -> dict[str, Any]:
        """The config."""
        options: dict[str, Any] = json.loads(self.config)
        return options


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One configured model of a provider; those that are equal share clients and compiled agents."""

    provider: str
    name: str
    temperature: float | None = None
    max_tokens: int | None = None
    handler: str = ""
    """Name of the provider's handler; empty: as the provider's."""
    config: str = "{}"
    """The provider's settings, as JSON."""
    parameters: str = "{}"
    """The model's parameters, as JSON."""
    api_key: str = field(default="", repr=False)
    """The key that a variable holds; a row refers to a secret instead."""
    secret: SecretSpec | None = None
    client_ttl_s: int = 0
    """Seconds after which its client is built again; 0: never."""
    prompt: PromptSpec | None = None
    """None: the one of aiops."""
    chain: tuple[MiddlewareSpec, ...] = ()
    context_window: int | None = None
    lacks: frozenset[str] = frozenset()
    """Capabilities that it does not have: see ``CAPABILITIES``."""
    routes_itself: bool = False
    """Whether its provider chooses an advanced model itself."""
    echoes_reasoning: bool = False
    """Whether it wants back what it thought before it called tools."""
    price: Price = Price()
    pace: Pace | None = None
    """Limits of its own; None: those of the settings."""
    advanced: str = ""
    """Name of the model that answers instead what matches ``patterns``."""
    patterns: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()
    """Names of the models that answer instead while its provider is down, in this order."""
    from_row: bool = False
    groups: frozenset[str] = field(default=frozenset(), compare=False)
    """Names of the groups whose members may choose it; empty: everybody."""
    reason: str = field(default=DEFAULT, compare=False)
    """Why this model answers. Not compared, so that all reasons share clients and compiled agents."""

    @property
    def handler_name(self) -> str:
        """Name of the provider's handler."""
        return self.handler or self.provider

    @property
    def settings(self) -> dict[str, Any]:
        """The provider's settings."""
        settings: dict[str, Any] = json.loads(self.config)
        return settings

    @property
    def options(self) -> dict[str, Any]:
        """The model's parameters, without the name by which the provider knows it."""
        options: dict[str, Any] = json.loads(self.parameters)
        options.pop("model", None)
        return options

    @property
    def called(self) -> str:
        """The name by which the provider knows the model."""
        return str(json.loads(self.parameters).get("model") or self.name)

    @property
    def label(self) -> str:
        """Its name in metrics, in the usage of runs and in the limits of all processes."""
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True)
class Models:
    """The models that a message may name, of one version of the tables; ``problem`` says why there is no default."""

    specs: tuple[ModelSpec, ...] = ()
    default: ModelSpec | None = None
    problem: str = ""
    version: int = 0
