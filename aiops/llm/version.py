"""The version of the tables that configure models: each change raises it, whichever door it came through."""

from __future__ import annotations

from typing import Any

import redis
from django.db.models import F
from django.db.models.signals import post_delete, post_save

from aiops import database, keyspace, log
from aiops.chains.models import LLMMiddleware, MiddlewareType
from aiops.llm.models import LLMModel, LLMProvider, ModelFallback, TablesVersion
from aiops.secrets.models import Secret
from aiops.system_prompts.models import SystemPrompt

ROW = 1
WATCHED = (LLMProvider, LLMModel, ModelFallback, Secret, SystemPrompt, MiddlewareType, LLMMiddleware)

logger = log.get(__name__)


def number() -> int:
    """Return the version now."""
    found = TablesVersion.objects.filter(pk=ROW).values_list("number", flat=True).first()
    return found or 0


def watch() -> None:
    """Raise the version with every change of a row; called when Django starts."""
    for model in WATCHED:
        post_save.connect(_changed, sender=model, dispatch_uid=f"version-{model.__name__}")
        post_delete.connect(_changed, sender=model, dispatch_uid=f"version-{model.__name__}")


def raise_number() -> None:
    """Raise the version, and announce that once the transaction is committed."""
    if not TablesVersion.objects.filter(pk=ROW).update(number=F("number") + 1):
        TablesVersion.objects.bulk_create([TablesVersion(pk=ROW, number=1)], ignore_conflicts=True)
    database.once_committed(announce)


def announce() -> None:
    """Let workers make the client of the default model now."""
    try:
        keyspace.sync().publish(keyspace.CONTROL, keyspace.control(keyspace.MODELS))
    except (redis.RedisError, RuntimeError) as error:  # a migration needs no REDIS_URL
        logger.warning("models.change_not_sent", error=str(error))


def _changed(**_: Any) -> None:
    raise_number()
