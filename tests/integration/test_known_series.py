"""Series exist with zero before their first event, so that an alert sees it."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

import pytest
import yaml
from django.db import OperationalError
from prometheus_client.parser import text_string_to_metric_families

from aiops import keyspace, metrics
from aiops.monitoring import runbook
from aiops.runs import recovery
from aiops.tool_servers.models import MCPServer
from aiops.web import exposition
from tests.deploy.test_alert_rules import CASES

RULES = yaml.safe_load((runbook.FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
SELECTOR = re.compile(r"\b(aiops_\w+)(?:\{([^}]*)\})?")
MATCHER = re.compile(r'(\w+)="([^"]*)"')
OF_ROWS = {"aiops_provider_reachable"}
"""Gauges with a series per row, and no row on a fresh machine."""
Page = dict[tuple[str, frozenset[tuple[str, str]]], float]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_counted(empty_redis: None) -> None:
    metrics._unsent.clear()


def page() -> Page:
    """Return what /metrics shows: (name, labels) → value."""
    families = text_string_to_metric_families(exposition.text().decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def selected(shown: Page, selector: str) -> list[float]:
    """Return the values of the series that a selector of PromQL, with equality alone, selects."""
    ((name, matchers),) = SELECTOR.findall(selector)
    wanted = set(MATCHER.findall(matchers))
    return [value for (shown_name, labels), value in shown.items() if shown_name == name and wanted <= labels]


SELECTORS = sorted({match[0] for rule in RULES for match in re.findall(f"({SELECTOR.pattern})", rule["expr"])})


@pytest.mark.parametrize("selector", SELECTORS)
def test_what_an_alert_reads_exists_before_anything_has_happened(selector: str) -> None:
    values = selected(page(), selector)
    name = selector.partition("{")[0]
    assert values or name in OF_ROWS
    if name.endswith(("_total", "_bucket")):
        assert set(values) == {0}


COUNTED = sorted(
    {
        series["series"]
        for case in yaml.safe_load(CASES.read_text())["tests"]
        for series in case["input_series"]
        if re.match(r"aiops_\w+_(total|bucket)\{", series["series"])
    }
)


@pytest.mark.parametrize("series", COUNTED)
def test_the_cases_of_the_alerts_begin_with_the_zeros_that_we_show(series: str) -> None:
    known = selected(page(), series.replace("openai:gpt", "offline:offline"))
    assert known == [0]


def test_no_series_of_a_counter_is_born_by_an_event() -> None:
    before = page()
    for queue in ("runs", "batch"):
        metrics.measure(metrics.FIRST_DELTA_SECONDS, queue, seconds=0.2)
        metrics.count(metrics.ATTEMPTS, queue)
        metrics.count(metrics.RUNS_ENDED, queue, "failed", "poisoned")
        metrics.count(metrics.RUNS_ENDED, queue, "succeeded", "")
    for state, outcome in product(recovery.NEXT_STATES, ("delivered", "tried", "failed")):
        metrics.count(metrics.TAKEN_BACK, state)
        metrics.count(metrics.WEBHOOKS, outcome)
    metrics.count(metrics.ITEMS_SETTLED, "expired")
    metrics.count(metrics.JOBS, "reaper", "failed")
    metrics.measure(metrics.JOB_SECONDS, "reaper", seconds=1)
    metrics.count(metrics.TOKENS, "offline:offline", "input", by=3)
    metrics.count(metrics.MODEL_REFUSALS, "offline:offline")
    metrics.count(metrics.TOOL_CALLS, "host", "unknown")
    metrics.flush()
    after = page()
    assert set(after) == set(before)
    assert after["aiops_webhooks_total", frozenset({("outcome", "failed")})] == 3


def test_a_tool_server_has_its_series_from_the_time_it_is_added() -> None:
    MCPServer.objects.create(name="netbox", url="http://127.0.0.1:1", endpoint="/mcp")
    assert selected(page(), 'aiops_tool_calls_total{server="netbox",status="error"}') == [0]


def test_zeros_return_when_redis_has_lost_its_data() -> None:
    metrics.count(metrics.TAKEN_BACK, "failed")
    metrics.flush()
    assert selected(page(), 'aiops_runs_taken_back_total{state="failed"}') == [1]
    keyspace.sync().flushall()
    assert selected(page(), 'aiops_runs_taken_back_total{state="failed"}') == [0]


def test_zeros_that_need_no_rows_are_shown_while_the_database_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise OperationalError("away")

    monkeypatch.setattr(MCPServer.objects, "values_list", down)
    shown = page()
    assert selected(shown, 'aiops_up{part="redis"}') == [1]
    assert selected(shown, 'aiops_webhooks_total{outcome="failed"}') == [0]


def test_nothing_is_written_for_a_zero() -> None:
    page()
    assert keyspace.sync().keys("*") == []


def test_the_dashboard_reads_no_series_that_is_born_late() -> None:
    panels = json.loads((runbook.FOLDER.parents[1] / "docs/operations/dashboard.json").read_text())["panels"]
    read = {match for panel in panels for target in panel["targets"] for match in SELECTOR.findall(target["expr"])}
    shown = {name for name, _ in page()}
    assert {name for name, _ in read} - shown - OF_ROWS <= {"aiops_batches"}
