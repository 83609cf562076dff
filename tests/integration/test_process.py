"""A worker process keeps its runs whatever happens on its loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.conf import settings as django_settings

from aiops import dispatch
from aiops.conversations import deletion
from aiops.conversations.models import Conversation
from aiops.llm.values import Models
from aiops.runs import reaper, transitions
from aiops.runs.models import Run
from aiops.runs.work import rows
from aiops.runs.work.context import Assignment
from aiops.runs.work.rows import SchemaOf
from aiops.runs.work.stopping import Stop
from workers.process import Process

pytestmark = pytest.mark.django_db(transaction=True)
LEASE_S = 1.0
SETTINGS = django_settings.SETTINGS.model_copy(update={"lease_s": LEASE_S, "heartbeat_s": 0.3, "worker_memory_mb": 0})


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process(SETTINGS)
    made.start()
    yield made
    made.stop()


def test_a_tool_that_blocks_the_loop_for_many_leases_loses_no_run(
    process: Process, ask: Callable[..., Run], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "depth", lambda queue: 0)
    run, stop, begun = ask(), Stop(), time.monotonic()
    claimed = transitions.claim(str(run.pk), worker=process.name, lease_s=LEASE_S)
    assert claimed is not None
    claim = claimed.claim
    process.leases.take(claim, stop, since=begun)
    process.loop.call(time.sleep, 4 * LEASE_S)
    while time.monotonic() - begun < 4 * LEASE_S:
        assert reaper.reap(SETTINGS)["taken_back"] == 0
        time.sleep(0.2)
    process.leases.release(claim)
    assert stop.why is None
    assert Run.objects.get(pk=run.pk).fence == claim.fence


def test_a_run_that_is_deleted_right_after_its_claim_is_let_go(
    process: Process, ask: Callable[..., Run], sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, read = ask(), rows.assignment

    def deleted_first(claimed: transitions.Claimed, schema_of: SchemaOf, models: Models) -> Assignment:
        deletion.delete(Conversation.objects.filter(pk=run.conversation_id))
        return read(claimed, schema_of, models)

    monkeypatch.setattr(rows, "assignment", deleted_first)
    process.answer(str(run.pk), version=1)
    assert process.leases.count == 0
