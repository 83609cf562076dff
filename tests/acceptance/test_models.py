"""Models as rows: configured from the terminal and by the API, in force at once, routed, replaced while one is down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.acceptance.conftest import SHORT
from tests.acceptance.migrated import migrated
from tests.acceptance.model_server import ModelServer
from tests.acceptance.pages.asking import do
from tests.acceptance.system import System
from tests.ports import free_port

KEY = "sk-canary-models-0123456789abcdefghij"


@pytest.fixture(scope="module")
def nonprod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system whose models are rows alone."""
    made = System(
        migrated(tmp_path_factory.mktemp("nonprod") / "home"), AIOPS_ENVIRONMENT="NONPROD", AIOPS_WORKERS="2", **SHORT
    )
    made.start()
    yield made
    assert made.stop() == 0, "".join(made.output)


@pytest.fixture(scope="module")
def configured(nonprod: System, model: ModelServer) -> System:
    """The system with a model that answers, configured as an administrator does it in a terminal."""
    refused = nonprod.cli("chat", "hello")
    assert refused.returncode != 0
    assert "There is no default model in NONPROD" in refused.stderr
    doctor = nonprod.cli("doctor")
    assert doctor.returncode != 0
    assert "make it the default" in doctor.stdout
    address = f"config_schema.base_url={model.url}"
    prices = ("price_in=2", "price_out=4")
    for command, said in (
        (("secrets", "add", "cloud"), "cloud\tstored"),
        (("providers", "add", "cloud", "--kind", "openai", address), "cloud\topenai\tadded"),
        (
            ("models", "add", "base", "--provider", "cloud", "--secret", "cloud", "--default", *prices),
            "base\tcloud\tdefault",
        ),
    ):
        done = nonprod.cli(*command, input=KEY if command[0] == "secrets" else None)
        assert (done.returncode, done.stdout.strip()) == (0, said), done.stderr
    return nonprod


def ask(system: System, text: str, **options: Any) -> dict[str, Any]:
    run: dict[str, Any] = system.ended(system.ask(text, **options)["run"]["id"])
    return run


def named(system: System, name: str) -> str:
    with system.client() as client:
        rows = client.get("/api/llm-models/", params={"search": name}).json()["results"]
    (found,) = [row["id"] for row in rows if row["name"] == name]
    return str(found)


def test_a_model_of_the_tables_answers_with_the_key_of_its_secret(configured: System, model: ModelServer) -> None:
    run = ask(configured, do(words=3))
    assert run["state"] == "succeeded", run
    assert (run["usage"]["model"], run["usage"]["reason"]) == ("cloud:base", "default")
    usage = run["usage"]
    assert float(usage["cost"]) == pytest.approx((2 * usage["input_tokens"] + 4 * usage["output_tokens"]) / 1e6)
    assert model.headers[-1]["authorization"] == f"Bearer {KEY}"
    assert KEY not in "".join(configured.output)
    tried = configured.cli("models", "try", "base", do(words=2))
    assert tried.returncode == 0, tried.stderr
    assert f"{model.url}/chat/completions" in tried.stdout
    assert "cloud:base" in tried.stdout
    with configured.client() as client:
        assert client.get(f"/api/llm-models/{named(configured, 'base')}/").status_code == 200
        batch = client.post("/api/batches/", json={"items": [{"prompt": do(words=2)} for _ in range(3)]}).json()
        until = time.monotonic() + 60
        while (seen := client.get(f"/api/batches/{batch['id']}/").json())["state"] not in ("completed", "failed"):
            assert time.monotonic() < until, seen
            time.sleep(0.2)
    assert seen["counts"]["succeeded"] == 3
    assert float(seen["usage"]["cost"]) > 0


def test_a_change_is_in_force_in_every_process_within_a_second(configured: System) -> None:
    assert configured.cli("models", "add", "next", "--provider", "cloud", "--secret", "cloud").returncode == 0
    names = ["next", "base", "next", "base"]
    for name in names:
        with configured.client() as client:
            assert client.post(f"/api/llm-models/{named(configured, name)}/make-default/").status_code == 200
        time.sleep(1)
        with ThreadPoolExecutor(8) as threads:
            runs = list(threads.map(lambda _: ask(configured, do(words=1)), range(8)))
        assert {run["usage"]["model"] for run in runs} == {f"cloud:{name}"}


def test_tasks_are_routed_and_a_model_can_be_named_or_forced(configured: System) -> None:
    done = configured.cli("models", "add", "big", "--provider", "cloud", "--secret", "cloud")
    assert done.returncode == 0, done.stderr
    done = configured.cli("models", "set", "base", "advanced_model=big", 'advanced_patterns=["(?i)^analyse"]')
    assert done.returncode == 0, done.stderr
    time.sleep(1)
    for text, options, expected in (
        ("Analyse this.", {}, ("cloud:big", "task pattern")),
        ("Look at this.", {}, ("cloud:base", "default")),
        ("Look at this.", {"model": "big"}, ("cloud:big", "asked for")),
        ("Look at this.", {"force_advanced": True}, ("cloud:big", "force_advanced")),
    ):
        usage = ask(configured, do(text, words=1), **options)["usage"]
        assert (usage["model"], usage["reason"]) == expected, text


def test_while_a_provider_is_down_a_fallback_answers_and_says_so(configured: System) -> None:
    dead = f"config_schema.base_url=http://127.0.0.1:{free_port()}/v1"
    for command in (
        ("providers", "add", "dead", "--kind", "openai", dead),
        ("models", "add", "gone", "--provider", "dead", 'fallbacks=["base"]'),
    ):
        done = configured.cli(*command)
        assert done.returncode == 0, done.stderr
    time.sleep(1)
    run = ask(configured, do(words=3), model="gone")
    assert run["state"] == "succeeded", run
    assert (run["usage"]["model"], run["usage"]["reason"]) == ("cloud:base", "fallback")
    (notice,) = [one for one in run["notices"] if one["code"] == "model_fallback"]
    assert "The model 'base' answers instead." in notice["text"]
    assert configured.cli("models", "set", "gone", "fallbacks=[]").returncode == 0
    time.sleep(1)
    assert ask(configured, do(words=3), model="gone")["error"]["code"] == "model_unreachable"


def test_a_secret_that_is_gone_or_wrong_fails_the_run_by_name(configured: System) -> None:
    assert configured.cli("secrets", "add", "absent", "--env", "AIOPS_SECRET_ABSENT").returncode == 0
    assert configured.cli("models", "add", "keyless", "--provider", "cloud", "--secret", "absent").returncode == 0
    time.sleep(1)
    error = ask(configured, do(words=1), model="keyless")["error"]
    assert error["code"] == "secret_unread"
    assert "'absent'" in error["detail"]
    wrong = ask(configured, do(fail=[401]), model="base")["error"]
    assert (wrong["code"], "the secret 'cloud'" in wrong["detail"]) == ("model_key_refused", True)
    assert KEY not in str(wrong)


def test_a_models_chain_answers_from_its_cache_and_refuses_and_removes(configured: System, model: ModelServer) -> None:
    for command in (
        ("models", "add", "chained", "--provider", "cloud", "--secret", "cloud"),
        ("middleware", "add", "chained", "CacheMiddleware", "priority=20", "config.ttl_s=600"),
        ("middleware", "add", "chained", "LoggingMiddleware", "priority=10"),
        (
            *("middleware", "add", "chained", "ValidationMiddleware", "is_critical=true"),
            'config={"deny": [{"pattern": "rm -rf", "reason": "Not that."}], "remove": ["word1"]}',
        ),
    ):
        done = configured.cli(*command)
        assert done.returncode == 0, done.stderr
    listed = configured.cli("middleware", "list", "--model", "chained").stdout.splitlines()
    assert [line.split("\t")[2] for line in listed] == ["LoggingMiddleware", "CacheMiddleware", "ValidationMiddleware"]
    checked = configured.cli("middleware", "check", "chained", "CacheMiddleware")
    assert (checked.returncode, checked.stdout) == (0, "A worker can build it.\n")
    time.sleep(1)
    text = do(words=3)
    first, second = (ask(configured, text, model="chained") for _ in range(2))
    assert (first["state"], second["state"]) == ("succeeded", "succeeded"), (first, second)
    assert "word1" not in first["answer"]
    assert second["answer"] == first["answer"]
    assert [one["code"] for one in second["notices"]] == ["answer_from_cache"]
    assert sum(text in str(asked) for asked in model.asked) == 1
    assert first["usage"]["chain"] == ["LoggingMiddleware", "CacheMiddleware", "ValidationMiddleware"]
    refused = ask(configured, "please rm -rf /", model="chained")["error"]
    assert (refused["code"], "Not that." in refused["detail"]) == ("input_refused", True)
    assert configured.cli("middleware", "remove", "chained", "ValidationMiddleware").returncode == 0
    time.sleep(1)
    assert ask(configured, do("please rm -rf /", words=1), model="chained")["state"] == "succeeded"


def test_rows_are_exported_and_imported_and_nothing_changes(configured: System, tmp_path: Any) -> None:
    for what in ("providers", "models"):
        exported = configured.cli(what, "export")
        assert exported.returncode == 0, exported.stderr
        assert KEY not in exported.stdout
        file = tmp_path / f"{what}.json"
        file.write_text(exported.stdout)
        done = configured.cli(what, "import", str(file))
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith("0 added")
        assert configured.cli(what, "export").stdout == exported.stdout


def test_what_is_in_use_is_kept_and_what_is_unknown_is_named(configured: System) -> None:
    used = configured.cli("providers", "remove", "cloud")
    assert (used.returncode != 0, "the model base" in used.stderr) == (True, True)
    assert "There is no 'none'" in configured.cli("models", "show", "none").stderr
    assert "FIELD=VALUE" in configured.cli("models", "set", "base", "nonsense").stderr
    assert "There is no such field" in configured.cli("models", "set", "base", "colour=red").stderr
    shown = configured.cli("models", "show", "base").stdout
    assert "provider      cloud" in shown
    assert "admin update: " in shown
