"""A batch against a provider that refuses, fails and disconnects at random: llmock plays it, and judges the client."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance import batching
from tests.acceptance.migrated import migrated
from tests.acceptance.system import BIN, System, eventually, exit_code
from tests.ports import free_port

ITEMS = 60
SERVE = "import random; random.seed(11); from llmock.cli import app; app()"
"""llmock draws its faults from ``random``. In about one of 300 batches chance alone gives one call ten faults in a row,
and its eleventh attempt is judged a storm; with the faults of this seed, in one of 20,000 (simulated)."""
CHAOS = ("--error-rate", "429=0.25", "--error-rate", "500=0.10", "--stream-fault", "disconnect=0.10")


@pytest.fixture
def provider(tmp_path: Path) -> Iterator[str]:
    """The URL of llmock, which answers without calling tools."""
    port = free_port()
    command = [sys.executable, "-c", SERVE, "serve", "--host", "127.0.0.1", "--port", str(port), "--tool-mode", "off"]
    log = tmp_path / "llmock.log"
    with log.open("w") as output:
        process = subprocess.Popen([*command, *CHAOS], stdout=output, stderr=subprocess.STDOUT, cwd=tmp_path)
    url = f"http://127.0.0.1:{port}"

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(f"{url}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        eventually(is_up, within_s=30, what="the start of llmock")
        yield url
    finally:
        process.terminate()
        exit_code(process)


def test_a_batch_survives_a_provider_in_chaos_without_misbehaving_towards_it(provider: str, tmp_path: Path) -> None:
    model = {"LLM_TYPE": "openai", "LLM_MODEL": "chaotic", "OPENAI_BASE_URL": f"{provider}/v1", "OPENAI_API_KEY": "x"}
    system = System(migrated(tmp_path / "home"), **model).start()
    try:
        with system.client() as client:
            items = [{"custom_id": f"c{n}", "prompt": f"Is host number {n} well?"} for n in range(ITEMS)]
            sent = client.post("/api/batches/", json={"items": items})
            assert sent.status_code == 202, sent.text
            batch = batching.ended(client, sent.json(), within_s=180)
            answers = batching.results(client, batch)
            errors = batching.results(client, batch, "errors")
    finally:
        assert system.stop() == 0, "".join(system.output)
    assert batch["state"] == "completed"
    assert sorted(row["number"] for row in [*answers, *errors]) == list(range(1, ITEMS + 1))
    assert [row for row in answers if not row["answer"]] == []
    assert [row for row in errors if not (row["error"]["code"].startswith("model_") and row["error"]["detail"])] == []
    judged = subprocess.run([str(BIN / "llmock"), "report", "--url", provider], capture_output=True, text=True)
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "FAIL" not in judged.stdout, judged.stdout
    assert httpx.get(f"{provider}/_llmock/verdict").json()["faults_injected"] >= ITEMS / 4
