"""A Python client that is generated from the OpenAPI document works as it is generated."""

from __future__ import annotations

import importlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.acceptance.system import BIN, System, eventually

PACKAGE = "generated_aiops_client"
CONFIG = '{"post_hooks": []}'
"""No formatter runs over what is generated."""


@pytest.fixture(scope="module")
def generated(plain: System, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the package, generated without an error or a warning."""
    folder = tmp_path_factory.mktemp("generated")
    with plain.client() as client:
        document = client.get("/api/schema/", headers={"Accept": "application/json"})
    assert document.status_code == 200
    (folder / "schema.json").write_text(json.dumps(document.json()))
    (folder / "config.yaml").write_text(CONFIG)
    generate = [str(BIN / "openapi-python-client"), "generate", "--path", "schema.json", "--config", "config.yaml"]
    options = ["--meta", "none", "--output-path", PACKAGE, "--fail-on-warning"]
    done = subprocess.run([*generate, *options], cwd=folder, capture_output=True, text=True, timeout=120)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "warning" not in said.lower(), said
    return folder


@pytest.fixture
def part(generated: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Import a module of the package by its name in it."""
    monkeypatch.syspath_prepend(str(generated))
    return lambda name: importlib.import_module(f"{PACKAGE}.{name}")


@pytest.fixture
def client(plain: System, part: Callable[[str], ModuleType]) -> Any:
    with part("client").AuthenticatedClient(base_url=plain.url, token=plain.token) as made:
        yield made


def test_a_generated_client_sends_a_message_and_reads_its_answer(
    part: Callable[[str], ModuleType], client: Any
) -> None:
    body = part("models").ChatInRequest(message="what runs here?")
    sent = part("api.chat.chat_create").sync(client=client, body=body)
    read = part("api.runs.runs_retrieve").sync
    states = part("models").RunStateEnum
    unfinished = (states.QUEUED, states.RUNNING)

    def look() -> Any:
        run = read(sent.run.id, client=client, wait=5)
        return None if run.state in unfinished else run

    run = eventually(look, within_s=30, what="the end of the run")
    assert run.state == states.SUCCEEDED, run.error
    assert run.answer
    assert run.conversation == sent.conversation


def test_a_generated_client_sends_a_batch_with_its_defaults_and_reads_the_answers(
    part: Callable[[str], ModuleType], client: Any
) -> None:
    models = part("models")
    items = [models.BatchInRequestItemsItem.from_dict({"prompt": prompt}) for prompt in ("disks?", "memory?")]
    body = models.BatchInRequest(items=items)
    assert {"name", "template", "policy", "webhook", "max_concurrency", "completion_window_s"} <= set(body.to_dict())
    sent = part("api.batches.batches_create").sync(client=client, body=body)
    read = part("api.batches.batches_retrieve").sync

    def look() -> Any:
        batch = read(sent.id, client=client)
        return batch if batch.timings["ended"] else None

    batch = eventually(look, within_s=30, what="the end of the batch")
    assert batch.state == models.BatchStateEnum.COMPLETED, batch.error
    assert (batch.counts.total, batch.counts.succeeded) == (2, 2)
    page = part("api.batches.batches_items_list").sync(sent.id, client=client)
    assert [(item.number, bool(item.answer)) for item in page.results] == [(1, True), (2, True)]


@pytest.mark.parametrize(
    ("operation", "body", "fields"),
    [
        ("conversations.conversations_create", "ConversationInRequest", {}),
        ("tokens.tokens_create", "TokenInRequest", {"name": "generated"}),
    ],
)
def test_the_defaults_that_a_generated_client_sends_are_accepted(
    part: Callable[[str], ModuleType], client: Any, operation: str, body: str, fields: dict[str, str]
) -> None:
    sent = getattr(part("models"), body)(**fields)
    assert set(sent.to_dict()) > set(fields)
    answer = part(f"api.{operation}").sync_detailed(client=client, body=sent)
    assert answer.status_code == 201, answer.content


def test_the_defaults_of_a_batch_in_a_schedule_are_accepted(part: Callable[[str], ModuleType], client: Any) -> None:
    models = part("models")
    batch = models.BatchInRequest(items=[models.BatchInRequestItemsItem.from_dict({"prompt": "disks?"})])
    body = models.ScheduleInRequest(name="daily", batch=batch, every_s=86_400)
    made = part("api.schedules.schedules_create").sync_detailed(client=client, body=body)
    assert made.status_code == 201, made.content
    part("api.schedules.schedules_destroy").sync_detailed(made.parsed.id, client=client)


def test_a_generated_client_reads_a_problem(part: Callable[[str], ModuleType], client: Any) -> None:
    body = part("models").ChatInRequest(message="disks?", model="")
    problem = part("api.chat.chat_create").sync(client=client, body=body)
    assert isinstance(problem, part("models").Problem)
    assert (problem.status, problem.code) == (400, "invalid")
    assert list(problem.errors.to_dict()) == ["model"]
