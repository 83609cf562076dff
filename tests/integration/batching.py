"""What the tests of batches share: a queue that keeps what is sent, and batches made, run and ended by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import transaction

from aiops import dispatch
from aiops.batches import feeding, lifecycle, validation
from aiops.batches.lifecycle import Plan
from aiops.batches.models import Batch, Item
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.transitions import Ending

SETTINGS = django_settings.SETTINGS.model_copy(update={"batch_concurrency": 4})
Make = Callable[..., Batch]


@pytest.fixture(autouse=True)
def queue(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was put on the batch queue."""
    ids: list[str] = []

    def run(run_id: str, *, queue: str, version: int = 1) -> bool:
        assert queue == dispatch.BATCH_QUEUE
        ids.append(run_id)
        return True

    monkeypatch.setattr(dispatch, "run", run)
    monkeypatch.setattr(dispatch, "validate", lambda batch_id: ids.append(batch_id) or True)
    return ids


@pytest.fixture
def make(user: User) -> Make:
    def made(count: int = 3, *, lines: list[str] | None = None, validate: bool = True, **options: Any) -> Batch:
        plan: dict[str, Any] = {
            "name": "b",
            "format": "jsonl",
            "policy": "all_or_nothing",
            "template": "",
            "response_schema": None,
            "defaults": {"model": "m", "deadline_s": 9},
            "max_concurrency": 1_000,
            "completion_window_s": 3_600,
        }
        owner = options.pop("user", user)
        lines = lines or [json.dumps({"custom_id": f"c{n}", "prompt": f"p{n}"}) for n in range(count)]
        with transaction.atomic():
            batch = lifecycle.make(owner, Plan(**{**plan, **options}), ["\n".join(lines).encode()], most=20)
        if validate:
            validation.validate(str(batch.pk), SETTINGS)
        batch.refresh_from_db()
        return batch

    return made


def tick(times: int = 1) -> dict[str, int]:
    done = {}
    for _ in range(times):
        done = feeding.tick(SETTINGS)
    return done


def end(run: Run, state: str = "succeeded", **error: Any) -> None:
    claim = transitions.claim(str(run.pk), worker="w", lease_s=100)
    assert claim is not None
    usage = {"model": "p:m", "input_tokens": 2, "output_tokens": 3}
    answer = "yes" if state == "succeeded" else ""
    assert transitions.finish(claim.claim, Ending(state, answer, usage=usage, error=error or None))


def counts(batch: Batch) -> dict[str, int]:
    batch.refresh_from_db()
    names = ("total", "invalid", "succeeded", "failed", "cancelled", "expired")
    return {name: getattr(batch, name) for name in names if getattr(batch, name)}


def running(batch: Batch) -> list[Run]:
    return [i.run for i in Item.objects.filter(batch=batch, state="running").select_related("run").order_by("number")]
