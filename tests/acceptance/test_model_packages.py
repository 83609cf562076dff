"""A package with a provider, a middleware and a plugin, installed beside aiops, works through the API."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.conftest import SHORT
from tests.acceptance.migrated import migrated
from tests.acceptance.system import System

PACKAGE = Path(__file__).parents[1] / "plugins/mine"
ENTRY_POINTS = """
[aiops.providers]
mine = mine.provider:MineHandler
gone = no_such_package:Handler

[aiops.middleware]
word = mine.middleware:WordMiddleware

[aiops.llm_plugins]
mine = mine.plugin:MineLLMPlugin
"""


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, site / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    info = site / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    made = System(migrated(tmp_path_factory.mktemp("equipped") / "home"), **SHORT, PYTHONPATH=str(site)).start()
    yield made
    assert made.stop() == 0, "".join(made.output)


def test_a_provider_and_a_middleware_of_a_package_answer(equipped: System) -> None:
    with equipped.client() as client:
        broken = client.post("/api/llm-providers/", json={"name": "gone", "handler": "gone"})
        assert "ModuleNotFoundError" in str(broken.json()["errors"]["handler"])
        wrong = client.post("/api/llm-providers/", json={"name": "mine", "handler": "mine"})
        assert "api_endpoint" in str(wrong.json()["errors"]["config_schema"])
        config = {"api_endpoint": "https://mine.example.org"}
        for path, body in (
            ("llm-providers", {"name": "mine", "handler": "mine", "config_schema": config}),
            ("llm-models", {"name": "my-model", "provider": "mine", "temperature": 0.7, "is_default": True}),
            ("middleware-types", {"name": "WordMiddleware", "path": "mine.middleware:WordMiddleware"}),
            ("llm-middleware", {"llm_model": "my-model", "middleware": "WordMiddleware", "config": {"word": "hm"}}),
        ):
            made = client.post(f"/api/{path}/", json=body)
            assert made.status_code == 201, made.text
    time.sleep(1)
    run = equipped.ended(equipped.ask("hello")["run"]["id"])
    assert run["answer"] == "my-model at https://mine.example.org with 0.7 and key False", run
    assert (run["usage"]["model"], run["usage"]["chain"]) == ("mine:my-model", ["WordMiddleware"])
    assert {"code": "word", "text": "hm"} in [{"code": one["code"], "text": one["text"]} for one in run["notices"]]


def test_a_plugin_of_a_package_answers_and_names_the_model_that_it_used(equipped: System) -> None:
    with equipped.client() as client:
        client.post("/api/llm-providers/", json={"name": "plug", "handler": "MineLLMPlugin"}).raise_for_status()
        client.post("/api/llm-models/", json={"name": "mine-usual", "provider": "plug"}).raise_for_status()
    time.sleep(1)
    run = equipped.ended(equipped.ask("hello", model="mine-usual")["run"]["id"])
    assert run["answer"].startswith("mine-usual heard 'hello' after"), run
    assert run["usage"]["model"] == "plug:mine-usual"
    forced = equipped.ended(equipped.ask("hello", model="mine-usual", force_advanced=True)["run"]["id"])
    assert (forced["usage"]["model"], forced["usage"]["reason"]) == ("plug:mine-advanced", "force_advanced")
    failed = equipped.ended(equipped.ask("fail", model="mine-usual")["run"]["id"])
    assert failed["state"] == "failed"
    assert not failed["answer"], "an exception is no answer"
