"""What middleware of a model's rows may need of its process besides its config; a class with ``surround`` gets it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiops.llm.values import ModelSpec


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The model whose chain it is in, and the process's Redis."""

    spec: ModelSpec
    redis: Any
