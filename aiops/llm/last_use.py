"""When a model last answered; each process writes it at most once a minute, so that busy models cost nothing."""

from __future__ import annotations

import time

from django.db import DatabaseError, InterfaceError
from django.db.models.functions import Now

from aiops import log
from aiops.llm.models import LLMModel
from aiops.llm.values import ModelSpec

EVERY_S = 60.0

logger = log.get(__name__)
_written: dict[str, float] = {}


def is_due(spec: ModelSpec) -> bool:
    """Return whether to record it now; then ``record`` must follow."""
    now = time.monotonic()
    if not spec.from_row or now - _written.get(spec.name, float("-inf")) < EVERY_S:
        return False
    _written[spec.name] = now
    return True


def record(name: str) -> None:
    """Write the time; by ``update``, because it is no change of the model. A failure costs the time alone."""
    try:
        LLMModel.objects.filter(name=name).update(last_used_at=Now())
    except (DatabaseError, InterfaceError) as error:
        logger.warning("model.use_unwritten", error=str(error))
