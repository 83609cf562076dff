"""Many batches sent to SQLite at the same moment: each is accepted and ends, however busy the one writer is."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.acceptance.batching import ended
from tests.acceptance.conftest import SHORT
from tests.acceptance.migrated import migrated
from tests.acceptance.system import System

BATCHES = 40
LINES = 300
RUN_OF_EACH = 3
"""Lines of each that are valid: all are written as rows, and answering few keeps the test short."""


def test_forty_batches_sent_to_sqlite_at_once_are_all_accepted_and_completed(
    scripted: dict[str, str], tmp_path: Path
) -> None:
    system = System(migrated(tmp_path / "home"), **scripted, **SHORT, AIOPS_MAX_BATCHES=str(BATCHES)).start()
    ready = threading.Barrier(BATCHES)

    def post(n: int) -> httpx.Response:
        prompts = [f'{n} {line} DO {{"words": 3}}' if line < RUN_OF_EACH else "" for line in range(LINES)]
        text = "".join(json.dumps({"prompt": prompt}) + "\n" for prompt in prompts)
        options = json.dumps({"policy": "skip_invalid"})
        with system.client() as client:
            ready.wait(60)
            return client.post(
                "/api/batches/", files={"file": (f"{n}.jsonl", text)}, data={"options": options}, timeout=300
            )

    try:
        with ThreadPoolExecutor(BATCHES) as threads:
            answers = list(threads.map(post, range(BATCHES)))
        assert [answer.status_code for answer in answers] == [202] * BATCHES, [a.text for a in answers]
        counts = {"total": LINES, "invalid": LINES - RUN_OF_EACH, "succeeded": RUN_OF_EACH}
        with system.client() as client:
            for answer in answers:
                batch = ended(client, answer.json(), within_s=120)
                assert batch["state"] == "completed", batch
                assert {name: count for name, count in batch["counts"].items() if count} == counts
    finally:
        system.stop()
