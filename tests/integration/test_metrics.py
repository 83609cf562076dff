"""What processes count is summed, survives Redis going away, and has an end; what they tell of the present fades."""

from __future__ import annotations

import json
import multiprocessing
import time
from typing import Any

import pytest
import redis

from aiops import keyspace, metrics
from aiops.web import exposition


@pytest.fixture(autouse=True)
def nothing_counted(empty_redis: None) -> None:
    metrics._unsent.clear()


def _count_elsewhere() -> None:
    metrics._unsent.clear()
    keyspace._clients.clear()
    metrics.count(metrics.SENT_AGAIN, by=2)
    metrics.measure(metrics.RUN_SECONDS, "runs", seconds=0.2)
    metrics.flush()


def test_counts_of_several_processes_are_added_up() -> None:
    processes = [multiprocessing.get_context("fork").Process(target=_count_elsewhere) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(10)
    read = metrics.read()
    assert read["aiops_messages_sent_again", ()] == {"total": 6}
    assert read["aiops_run_seconds", ("runs",)] == {"0.25": 3, "sum": pytest.approx(0.6)}


def test_counts_that_could_not_be_sent_are_sent_later(monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def __getattr__(self, name: str) -> Any:
            raise redis.ConnectionError("away")

    metrics.count(metrics.SENT_AGAIN)
    with monkeypatch.context() as patched:
        patched.setattr(keyspace, "sync", lambda: Away())
        metrics.flush()
        metrics.count(metrics.SENT_AGAIN)
    metrics.flush()
    assert metrics.read()["aiops_messages_sent_again", ()] == {"total": 2}


def test_a_metric_keeps_a_bounded_number_of_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "MAX_SERIES", 5)
    for n in range(10):
        metrics.count(metrics.TOOL_CALLS, f"server{n}", "ok")
    metrics.flush()
    metrics.count(metrics.TOOL_CALLS, "server0", "ok")
    metrics.count(metrics.TOOL_CALLS, "server99", "ok")
    metrics.flush()
    assert len(metrics.read()) == 5
    assert metrics.read()["aiops_tool_calls", ("server0", "ok")] == {"total": 2}


def test_the_present_is_summed_or_the_largest_and_fades_with_its_process() -> None:
    metrics.show("a", {"viewers": 3, "loop_lag_seconds": 0.1})
    metrics.show("b", {"viewers": 4, "loop_lag_seconds": 0.7})
    long_ago = {"at": time.time() - metrics.SILENT_S - 1, "viewers": 100}
    keyspace.sync().hset(keyspace.GAUGES, "silent", json.dumps(long_ago))
    assert metrics.gauges() == {**dict.fromkeys(metrics.GAUGES, 0), "viewers": 7, "loop_lag_seconds": 0.7}
    keyspace.sync().hset(keyspace.GAUGES, "gone", json.dumps({**long_ago, "at": 1}))
    metrics.show("a", {"viewers": 1})
    assert keyspace.sync().hkeys(keyspace.GAUGES) == [b"a", b"b", b"silent"]


@pytest.mark.django_db
def test_a_part_that_is_down_is_shown_and_costs_the_page_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(metrics, "read", away)
    page = exposition.text().decode()
    assert 'aiops_up{part="redis"} 0.0' in page
    assert 'aiops_up{part="database"} 1.0' in page
    assert 'aiops_runs{queue="runs",state="queued"} 0.0' in page


@pytest.mark.django_db
def test_the_metrics_page_is_what_prometheus_reads() -> None:
    metrics.measure(metrics.FIRST_DELTA_SECONDS, "runs", seconds=0.07)
    metrics.measure(metrics.FIRST_DELTA_SECONDS, "runs", seconds=1_000)
    metrics.count(metrics.TOOL_CALLS, 'sh"ell\n', "ok")
    metrics.flush()
    page = exposition.text().decode()
    assert 'aiops_first_delta_seconds_bucket{le="0.05",queue="runs"} 0.0' in page
    assert 'aiops_first_delta_seconds_bucket{le="300.0",queue="runs"} 1.0' in page
    assert 'aiops_first_delta_seconds_bucket{le="+Inf",queue="runs"} 2.0' in page
    assert 'aiops_first_delta_seconds_count{queue="runs"} 2.0' in page
    assert 'aiops_tool_calls_total{server="sh\\"ell\\n",status="ok"} 1.0' in page
    assert "aiops_messages_sent_again_total 0.0" in page
