"""Every metric that an alert or the dashboard names exists, and every alert has its run-book."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from aiops import metrics
from aiops.errors import RUN_CODES
from aiops.monitoring import runbook

DASHBOARD = Path(__file__).parents[2] / "docs" / "operations" / "dashboard.json"
RULES = yaml.safe_load((runbook.FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
AIOPS = Path(__file__).parents[2] / "aiops"
EXPOSITION = "\n".join(path.read_text() for path in [AIOPS / "web/exposition.py", *AIOPS.glob("*/metrics.py")])
NAME = re.compile(r"\baiops_\w+")


def known() -> set[str]:
    gauges = set(NAME.findall(EXPOSITION)) | {f"aiops_{name}" for name in metrics.GAUGES}
    counters = {f"{metric.name}_total" for metric in metrics.ALL if not metric.measured}
    return gauges | counters | {f"{metric.name}_bucket" for metric in metrics.ALL if metric.measured}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_names_what_exists_and_what_to_do(rule: dict) -> None:
    assert set(NAME.findall(rule["expr"])) <= known()
    assert rule["annotations"]["runbook_url"] == f"/runbook/#{rule['alert'].lower()}"


def test_the_run_book_has_one_entry_for_each_alert_in_their_order() -> None:
    introduction, entries = runbook.entries()
    assert [entry.alert for entry in entries] == [rule["alert"] for rule in RULES]
    assert "aiops doctor" in introduction
    assert all(entry.text.strip() for entry in entries)


def test_the_documents_list_the_codes_that_failed_runs_are_counted_under() -> None:
    page = (DASHBOARD.parents[1] / "errors.md").read_text()
    _, _, failed_runs = page.partition("## Failed runs")
    listed = re.findall(r"^\| `(\w+)`", failed_runs.partition("\n## ")[0], re.MULTILINE)
    assert sorted(listed) == sorted(RUN_CODES)


def test_the_dashboard_shows_what_exists() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    shown = {name for panel in panels for target in panel["targets"] for name in NAME.findall(target["expr"])}
    assert shown <= known()
    assert len({panel["id"] for panel in panels}) == len(panels) >= 12
