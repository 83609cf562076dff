"""Workers of a batch die again and again: each item is answered, once."""

from __future__ import annotations

import random
import signal
import uuid
from collections import Counter

import pytest

from tests.acceptance.batching import ENDED, ended, lines, results, send
from tests.acceptance.matrix.conftest import Pairing
from tests.acceptance.matrix.scale import BATCH, KILLS
from tests.acceptance.system import eventually


@pytest.mark.timeout(900)
def test_workers_killed_at_random_cost_no_item_and_repeat_no_answer(pairing: Pairing) -> None:
    system = pairing.system
    with system.client() as client:
        batch = send(client, lines(BATCH, words=4, pause=0.05))
        for kill in range(KILLS):
            due = random.uniform(kill, kill + 0.9) * BATCH / (KILLS + 1)

            def reached(due: float = due) -> bool:
                seen = client.get(batch["links"]["self"]).json()
                return seen["state"] in ENDED or seen["counts"]["succeeded"] >= due

            eventually(reached, within_s=90, what="progress")
            for worker in system.processes("-Q batch"):
                worker.send_signal(signal.SIGKILL)
        whole = ended(client, batch, within_s=600)
        assert (whole["state"], whole["counts"]["succeeded"]) == ("completed", BATCH), whole
        answers = results(client, batch)
    assert [one["custom_id"] for one in answers] == [f"c{n}" for n in range(BATCH)]
    assert {one["answer"] for one in answers} == {"w0 w1 w2 w3"}
    said = system.rows(
        "SELECT conversation_id, count(*) FROM conversations_message WHERE role = 'assistant' AND conversation_id IN "
        "(SELECT r.conversation_id FROM batches_item i JOIN runs_run r ON r.id = i.run_id "
        "WHERE i.batch_id = ?) "
        "GROUP BY conversation_id",
        uuid.UUID(batch["id"]).hex,
    )
    assert Counter(count for _, count in said) == {1: BATCH}
