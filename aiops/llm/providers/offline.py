"""The built-in model for when no other is configured; it needs no network."""

from __future__ import annotations

from typing import Any

from aiops.llm.provider import Provider
from aiops.llm.values import ModelSpec


def build(spec: ModelSpec, *, timeout_s: float) -> Any:
    from aiops.llm.offline.model import OfflineModel

    return OfflineModel()


PROVIDER = Provider(name="offline", build=build, module="aiops.llm.offline.model", reports_finish=True)
