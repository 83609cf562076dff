"""Describes a provider of language models; ``providers/`` holds one such value per file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiops.settings import Settings

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable of a provider; a secret may also be a file (the same name + ``_FILE``)."""

    name: str
    meaning: str
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider: how to create its chat models, how to configure and reach it, and its quirks."""

    name: str
    """``LLM_TYPE`` and the ``provider`` of a message."""
    build: Callable[..., BaseChatModel]
    """``build(spec, timeout_s=…)``: the only place that imports the provider's package. The model must not retry."""
    module: str
    """Module that ``build`` imports, for processes that import it in advance."""
    key: Variable | None = None
    url: Variable | None = None
    default_url: str = ""
    """Where reachability is checked when ``url`` is not set. ``build`` does not get it: see that the client uses it."""
    reachability_path: str = ""
    """Path below the URL that answers without running a model; empty: reachability is not checked."""
    key_shapes: tuple[str, ...] = ()
    """Regular expressions of its keys, as its vendor documents them; redaction applies them to every text."""
    guessed_at: int = 100
    """Without LLM_TYPE, the provider with the lowest number is chosen from those whose key or URL is set."""
    reports_finish: bool = False
    """Quirk: every complete answer has a finish reason, so a stream that ends without one was cut.
    An answer of other providers passes for whole without a finish reason, but its tool calls are never made."""
    out_of_quota: str = ""
    """Quirk: error code of a 429 that a retry does not cure."""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The variables that configure it."""
        return tuple(one for one in (self.key, self.url) if one is not None)

    def is_named_by(self, settings: Settings) -> bool:
        """Return whether the environment sets a variable of this provider."""
        return any(settings.of_provider(one.name) for one in self.variables)

    def missing_variable(self, settings: Settings) -> str:
        """Return the required variable that is not set, or an empty string; a self-hosted server needs no key."""
        if self.key is None or self.is_named_by(settings):
            return ""
        return self.key.name + (f", or {self.url.name} of your own server" if self.url else "")


def given(**options: Any) -> dict[str, Any]:
    """Return the options that have a value."""
    return {name: value for name, value in options.items() if value not in (None, "")}
