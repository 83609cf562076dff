"""A package that is installed beside aiops brings a feature in the way in which our own features come."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.acceptance.conftest import SHORT
from tests.acceptance.migrated import migrated
from tests.acceptance.system import BIN, System, eventually
from tests.ports import free_port

PACKAGE = Path(__file__).parents[1] / "plugins/tickets"
ENTRY_POINTS = """
[aiops.apps]
tickets = tickets
absent = no_such_package

[aiops.commands]
tickets = tickets.cli:tickets
broken = no_such_package.cli:command
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of installed packages: tickets, and entry points that lead nowhere."""
    made = tmp_path_factory.mktemp("site")
    shutil.copytree(PACKAGE, made / "tickets", ignore=shutil.ignore_patterns("__pycache__"))
    info = made / "tickets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tickets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return made


@pytest.fixture(scope="module")
def plugged(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    retention = json.dumps({"tickets.closed": 1})
    made = System(
        migrated(tmp_path_factory.mktemp("plugged") / "home"), **SHORT, PYTHONPATH=str(site), AIOPS_RETENTION=retention
    )
    made.start()
    yield made
    assert made.stop() == 0


def test_a_resource_a_filter_and_a_signal_handler_of_a_plugin_work(plugged: System) -> None:
    with plugged.client() as client:
        made = client.post("/api/tickets/", json={"title": "disk is full"})
        assert made.status_code == 201
        plugged.ask("what runs here?")
        titles = [row["title"] for row in client.get("/api/tickets/").json()["results"]]
        assert {"disk is full", "asked: what runs here?"} <= set(titles)
        assert client.get("/api/tickets/?state=nothing").json()["results"] == []
        assert client.get("/api/tickets/?colour=red").status_code == 400
        assert "/api/tickets/" in client.get("/api/schema/").json()["paths"]


def test_a_page_of_a_plugin_is_in_our_navigation_and_has_ours(plugged: System) -> None:
    with httpx.Client(base_url=plugged.url) as browser:
        form = browser.get("/sign-in/")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        assert token is not None
        (line,) = [line for line in plugged.output if "Sign in" in line]
        password = line.split(" / ")[1].split()[0]
        signed_in = {"username": "admin", "password": password, "csrfmiddlewaretoken": token[1]}
        browser.post("/sign-in/", data=signed_in, headers={"Referer": plugged.url})
        assert '<a href="/tickets/">Tickets</a>' in browser.get("/batches/").text
        page = browser.get("/tickets/").text
    assert '<a href="/batches/">Batches</a>' in page
    assert '<a href="/tickets/" aria-current="page">Tickets</a>' in page


def test_a_command_of_a_plugin_works_and_one_that_cannot_be_loaded_harms_no_other(plugged: System) -> None:
    def aiops(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([str(BIN / "aiops"), *arguments], env=plugged.env, capture_output=True, text=True)

    done = aiops("tickets")
    assert done.returncode == 0, done.stderr
    assert "disk is full" in done.stdout
    assert "Tickets, one in a line." in aiops("--help").stdout
    broken = aiops("broken")
    assert broken.returncode != 0
    assert "no_such_package" in broken.stderr


def test_a_job_of_a_plugin_runs_and_its_rows_are_kept_as_long_as_retention_says(plugged: System) -> None:
    with plugged.client() as client:
        jobs = [job["job"] for job in client.get("/api/upkeep/").json()]
        assert {"tidy_tickets", "reaper"} <= set(jobs)
        assert client.post("/api/upkeep/tidy_tickets/run/").status_code == 202

        def closed() -> int:
            runs = client.get("/api/upkeep/tidy_tickets/runs/").json()["results"]
            return sum(run["summary"].get("closed", 0) for run in runs)

        eventually(closed, within_s=20, what="the end of the job")
        plugged.write("UPDATE tickets_ticket SET touched_at = '2020-01-01' WHERE title = ?", "disk is full")
        preview = client.get("/api/upkeep/retention/preview/").json()
        assert preview == [{"rule": "tickets.closed", "days": 1, "would_remove": 1}]
        assert client.post("/api/upkeep/retention/run/").status_code == 202
        eventually(
            lambda: "disk is full" not in [row["title"] for row in client.get("/api/tickets/").json()["results"]],
            within_s=20,
            what="the removal of an old ticket",
        )


def test_a_kind_that_no_feature_has_is_refused_at_the_start(tmp_path: Path) -> None:
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env |= {"AIOPS_HOME": str(tmp_path / "home"), "AIOPS_RETENTION": json.dumps({"tickets": 1})}
    command = [str(BIN / "aiops"), "up", "--port", str(free_port())]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0
    assert "AIOPS_RETENTION: there is no kind tickets: use one of" in done.stdout + done.stderr
