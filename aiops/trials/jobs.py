"""The job that runs trials."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from django.db import DataError, transaction

from aiops import log, lookups
from aiops.apps import features, load
from aiops.settings import Settings
from aiops.trials import asking
from aiops.trials.models import Trial

AT_ONCE = 4

logger = log.get(__name__)


def run_trials(settings: Settings) -> dict[str, int]:
    """Try what people wait for; return the count."""
    kinds = {kind: dotted for feature in features() for kind, dotted in feature.trials.items()}
    done = 0
    while taken := asking.take(AT_ONCE):
        prepared = [(trial, began) for trial in taken if (began := _prepared(trial, kinds, settings)) is not None]
        answers = lookups.run(_all([began for _, began in prepared]))
        for (trial, _), answer in zip(prepared, answers, strict=True):
            _store(trial, answer)
        done += len(taken)
    return {"trials": done}


def _prepared(trial: Trial, kinds: dict[str, str], settings: Settings) -> Awaitable[dict[str, Any]] | None:
    """Let the feature read what it needs from the database; it does the rest in the loop."""
    try:
        began: Awaitable[dict[str, Any]] = load(kinds[trial.kind])(trial.arguments, settings)
    except Exception as error:  # noqa: BLE001  one broken trial must not leave the others without an answer
        _break(trial, error)
        return None
    return began


async def _all(began: list[Awaitable[dict[str, Any]]]) -> list[dict[str, Any] | BaseException]:
    return await asyncio.gather(*began, return_exceptions=True)


def _store(trial: Trial, answer: dict[str, Any] | BaseException) -> None:
    """Store an answer, or why there is none."""
    if isinstance(answer, BaseException):
        _break(trial, answer)
        return
    try:
        with transaction.atomic():
            Trial.objects.filter(pk=trial.pk).update(answer={asking.ANSWER: answer})
    except (DataError, ValueError, TypeError) as error:
        _break(trial, error)


def _break(trial: Trial, error: BaseException) -> None:
    logger.error("trial.broke", kind=trial.kind, trial=str(trial.pk), exc_info=error)
    Trial.objects.filter(pk=trial.pk).update(answer={asking.BROKE: type(error).__name__})
