"""Monitoring by its real door, and by a real Prometheus with the rules that come with the product."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from aiops.monitoring import runbook
from tests.acceptance.system import System, eventually
from tests.conftest import program
from tests.ports import free_port
from workers.figures import EVERY_S

RULES = runbook.FOLDER / "alerts.yml"
TOKEN = {"Authorization": "Bearer metrics-canary-token"}


def page(system: System) -> dict[str, float]:
    """Return what the page says, by series."""
    answer = httpx.get(f"{system.url}/metrics", headers=TOKEN, timeout=10)
    assert answer.status_code == 200, answer.text
    lines = [line.rpartition(" ") for line in answer.text.splitlines() if not line.startswith("#")]
    return {series: float(value) for series, _, value in lines}


def quiet(system: System) -> dict[str, float]:
    """Return what the page says once no process has more to report of what other tests did."""
    known: list[tuple[float, dict[str, float]]] = []

    def is_still() -> bool:
        seen = {name: value for name, value in page(system).items() if name.startswith("aiops_runs_ended_total")}
        if not known or known[-1][1] != seen:
            known.append((time.monotonic(), seen))
        return time.monotonic() - known[-1][0] > 2 * EVERY_S

    eventually(is_still, within_s=60, what="the end of what other tests did")
    return page(system)


def test_what_happens_is_counted_once_however_many_processes_there_are(system: System) -> None:
    before = quiet(system)
    runs = [system.ask("count", {"words": 3, "call": "host_uptime", "id": uuid.uuid4().hex}) for _ in range(4)]
    runs.append(system.ask("count", {"fail": [401]}))
    for run in runs:
        system.ended(run["run"]["id"])

    def more(series: str) -> float:
        return page(system).get(series, 0) - before.get(series, 0)

    good = 'aiops_runs_ended_total{code="",queue="runs",state="succeeded"}'
    eventually(lambda: more(good) == 4, within_s=15, what="four succeeded runs")
    bad = 'aiops_runs_ended_total{code="model_key_refused",queue="runs",state="failed"}'
    eventually(lambda: more(bad) == 1, within_s=15, what="one failed run")
    eventually(lambda: more("aiops_runs_accepted_total") == 5, within_s=15, what="five questions")
    assert more('aiops_tool_calls_total{server="host",status="ok"}') == 4
    assert more('aiops_tokens_total{direction="output",model="openai:scripted"}') > 0
    assert more('aiops_first_delta_seconds_count{queue="runs"}') == 4
    assert more('aiops_run_seconds_count{queue="runs"}') == 5
    now = page(system)
    assert now['aiops_workers{queue="runs"}'] >= 1
    assert now['aiops_job_age_seconds{job="reaper"}'] < 15
    assert not any(run["run"]["id"] in series for run in runs for series in now)
    assert set(now) - set(before) == set(), "a series was born at its first event, which increase() cannot see"


def test_watchers_are_counted_while_they_watch(system: System) -> None:
    accepted = system.ask("watch", {"words": 200, "pause": 0.05})
    with system.client() as client, client.stream("GET", accepted["run"]["links"]["events"]) as _:
        eventually(lambda: page(system)["aiops_viewers"] >= 1, within_s=10, what="the viewer")
        eventually(lambda: page(system)["aiops_runs_held"] >= 1, within_s=10, what="the held run")
        client.post(accepted["run"]["links"]["cancel"])


def test_metrics_are_not_shown_without_their_token(system: System, plain: System) -> None:
    assert httpx.get(f"{system.url}/metrics").status_code == 401
    assert (
        httpx.get(f"{system.url}/metrics", headers={"Authorization": "Bearer x"}).json()["code"] == "not_authenticated"
    )
    assert httpx.get(f"{system.url}/metrics", headers={"Authorization": f"Bearer {system.token}"}).status_code == 401
    off = httpx.get(f"{plain.url}/metrics", headers=TOKEN)
    assert (off.status_code, off.json()["code"]) == (404, "metrics_off")
    assert "AIOPS_METRICS_TOKEN" in off.json()["detail"]


@pytest.fixture
def prometheus(system: System, tmp_path: Path) -> Iterator[str]:
    """A Prometheus that scrapes the system each second and waits for no alert; its address."""
    server, tool = (program(name, package="prometheus") for name in ("prometheus", "promtool"))
    rules = yaml.safe_load(RULES.read_text())
    for rule in rules["groups"][0]["rules"]:
        rule.pop("for", None)
    (tmp_path / "alerts.yml").write_text(yaml.safe_dump(rules))
    job = {
        "job_name": "aiops",
        "authorization": {"credentials": TOKEN["Authorization"].removeprefix("Bearer ")},
        "static_configs": [{"targets": [system.url.removeprefix("http://")]}],
    }
    seconds = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {"global": seconds, "rule_files": ["alerts.yml"], "scrape_configs": [job]}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    subprocess.run([tool, "check", "config", str(tmp_path / "prometheus.yml")], check=True, capture_output=True)
    port = free_port()
    options = [f"--web.listen-address=127.0.0.1:{port}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    command = [server, f"--config.file={tmp_path / 'prometheus.yml'}", *options]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=20)


def test_a_real_prometheus_scrapes_evaluates_and_fires(system: System, prometheus: str) -> None:
    def firing() -> set[str]:
        try:
            alerts = httpx.get(f"{prometheus}/api/v1/alerts", timeout=2).json()["data"]["alerts"]
        except (httpx.HTTPError, ValueError):
            return set()
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def scraped() -> bool:
        try:
            query = {"query": 'aiops_up{part="redis"} == 1'}
            return bool(httpx.get(f"{prometheus}/api/v1/query", params=query, timeout=2).json()["data"]["result"])
        except (httpx.HTTPError, ValueError):
            return False

    eventually(scraped, within_s=30, what="the first scrape")
    quiet = {"AiopsDown", "AiopsPartDown", "AiopsNoWorkers", "AiopsClockStopped"}
    eventually(lambda: not firing() & quiet, within_s=15, what="quiet")
    for worker in system.processes("-Q runs"):
        worker.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: "AiopsNoWorkers" in firing(), within_s=40, what="the alert")
    finally:
        for worker in system.processes("-Q runs"):
            worker.send_signal(signal.SIGCONT)
    eventually(lambda: "AiopsNoWorkers" not in firing(), within_s=20, what="its end")


def test_every_log_line_of_our_processes_is_json_and_each_request_has_one(system: System) -> None:
    search = uuid.uuid4().hex
    system.ended(system.ask("log", {"words": 1})["run"]["id"])
    with system.client() as client:
        client.get("/api/conversations/", params={"search": search})
    logs = {path.stem: path for path in (system.home / "logs").glob("*.log") if path.stem != "valkey"}
    assert {"web", "worker-runs-1", "worker-batch", "worker-upkeep", "beat"} <= set(logs)

    def requests() -> set[tuple[str, str, str]]:
        lines = [json.loads(line) for line in logs["web"].read_text().splitlines()]
        return {(x["method"], x["path"], x["user"]) for x in lines if x["action"] == "request.ended"}

    wanted = {("POST", "/api/chat/", "admin"), ("GET", "/api/conversations/", "admin")}
    eventually(lambda: wanted <= requests(), within_s=10, what="the lines of the requests")
    assert search not in logs["web"].read_text()
    for log in logs.values():
        assert all(isinstance(json.loads(line), dict) for line in log.read_text().splitlines()), log
