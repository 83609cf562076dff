"""Every alert fires after its first event and is silent otherwise, says Prometheus; each links to its run-book."""

from __future__ import annotations

import re
import subprocess
from io import StringIO
from pathlib import Path

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command
from django.test import Client

from aiops import settings
from aiops.monitoring import runbook
from aiops.people.models import User
from tests.conftest import program

CASES = Path(__file__).with_name("alert_cases.yml")
ADDRESS = "https://aiops.example.org"
RULES = yaml.safe_load(runbook.rules(public_url=ADDRESS))["groups"][0]["rules"]


def cases_of(alert: str) -> list[bool]:
    """Return for each case of an alert whether it must fire."""
    checks = [check for case in yaml.safe_load(CASES.read_text())["tests"] for check in case["alert_rule_test"]]
    return [bool(check["exp_alerts"]) for check in checks if check["alertname"] == alert]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch) -> str:
    """What the command prints for a server with an address."""
    monkeypatch.setattr(settings, "_installed", [django_settings.SETTINGS.model_copy(update={"public_url": ADDRESS})])
    output = StringIO()
    call_command("alert_rules", stdout=output)
    return output.getvalue()


@pytest.mark.parametrize("alert", [rule["alert"] for rule in RULES])
def test_an_alert_has_a_case_in_which_it_fires_and_one_in_which_it_is_silent(alert: str) -> None:
    assert set(cases_of(alert)) == {True, False}


def test_each_alert_fires_and_is_silent_as_its_cases_say() -> None:
    tool = program("promtool", package="prometheus")
    done = subprocess.run([tool, "test", "rules", str(CASES)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_accepts_the_rules_that_the_command_prints(printed: str, tmp_path: Path) -> None:
    tool = program("promtool", package="prometheus")
    (tmp_path / "alerts.yml").write_text(printed)
    done = subprocess.run([tool, "check", "rules", str(tmp_path / "alerts.yml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RULES)} rules found" in done.stdout


@pytest.mark.django_db
def test_each_link_leads_signed_in_people_to_the_entry_of_its_alert(printed: str) -> None:
    links = {
        rule["alert"]: rule["annotations"]["runbook_url"] for rule in yaml.safe_load(printed)["groups"][0]["rules"]
    }
    client = Client()
    path = "/runbook/"
    assert client.get(path).headers["Location"] == "/sign-in/?next=/runbook/"
    client.force_login(User.objects.create_user("ann"))
    page = client.get(path).content.decode()
    anchors = {f"{ADDRESS}{path}#{anchor}" for anchor in re.findall(r'<section id="(\w+)">', page)}
    assert set(links.values()) == anchors
    assert all(link.endswith(f"#{alert.lower()}") for alert, link in links.items())
    assert "<code>aiops doctor</code>" in page


def test_without_an_address_the_command_says_what_to_set() -> None:
    with pytest.raises(CommandError, match="AIOPS_PUBLIC_URL is not set"):
        call_command("alert_rules", stdout=StringIO())
