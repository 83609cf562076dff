"""The frozen values of language models; importing this module loads no large package."""

from __future__ import annotations

from dataclasses import dataclass, field

QUESTION_CHARACTERS = "question_characters"
"""Key, in a user's message with attachments, of the length of the question before them."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One configured model of a provider."""

    provider: str
    name: str
    temperature: float | None = None
    max_tokens: int | None = None
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    reason: str = field(default="default", compare=False)
    """Why this model answers: default, or asked for. Not compared, so that both share clients and compiled agents."""

    @property
    def label(self) -> str:
        """Its name in metrics, in the usage of runs and in the limits of all processes."""
        return f"{self.provider}:{self.name}"


@dataclass(frozen=True, slots=True)
class Pace:
    """Limits of one model for all processes together; 0 means no limit."""

    concurrency: int = 0
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
