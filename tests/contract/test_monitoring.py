"""Every metric that an alert or the dashboard names exists, and every alert has its run-book."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from aiops import metrics

DOCS = Path(__file__).parents[2] / "docs" / "operations"
RULES = yaml.safe_load((DOCS / "alerts.yml").read_text())["groups"][0]["rules"]
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
    page, anchor = rule["annotations"]["runbook_url"].split("#")
    headings = re.findall(r"^### (\w+)$", (DOCS.parents[1] / page).read_text(), re.MULTILINE)
    assert anchor in [heading.lower() for heading in headings]
    assert anchor == rule["alert"].lower()


def test_the_dashboard_shows_what_exists() -> None:
    panels = json.loads((DOCS / "dashboard.json").read_text())["panels"]
    shown = {name for panel in panels for target in panel["targets"] for name in NAME.findall(target["expr"])}
    assert shown <= known()
    assert len({panel["id"] for panel in panels}) == len(panels) >= 12
