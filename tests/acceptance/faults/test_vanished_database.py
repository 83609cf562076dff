"""Somebody moves the database away under a running system: everything says so, and nothing is made in its place."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.acceptance.migrated import migrated
from tests.acceptance.system import System, eventually


def test_a_vanished_database_is_named_everywhere_and_all_is_well_when_it_is_back(tmp_path: Path) -> None:
    system = System(migrated(tmp_path / "home")).start()
    try:
        with system.client() as client:
            asked = client.post("/api/chat/", json={"message": "hello"}).json()["run"]["id"]
            eventually(lambda: client.get(f"/api/runs/{asked}/").json()["state"] == "succeeded", within_s=60)
            file = system.home / "db.sqlite3"
            away = file.rename(tmp_path / "away")
            problem = client.post("/api/chat/", json={"message": "hello"})
            assert (problem.status_code, problem.json()["code"]) == (503, "database_unavailable")
            assert "put it back" in problem.json()["detail"]
            page = httpx.get(f"{system.url}/schedules/", cookies={"aiops_session": "x" * 32}, follow_redirects=False)
            assert page.status_code == 503
            assert "put it back" in page.text
            ready = f"{system.url}/health/ready"  # what it answers may be a second old
            eventually(lambda: httpx.get(ready).status_code == 503, within_s=2, what="the end of readiness")
            doctor = system.cli("doctor")
            assert doctor.returncode == 1
            assert "is missing" in doctor.stdout + doctor.stderr
            assert "Put it back" in doctor.stdout + doctor.stderr
            migrate = system.cli("manage", "migrate")
            assert "has vanished: put it back" in migrate.stderr
            assert migrate.returncode == 1
            eventually(lambda: any("has vanished" in line for line in system.output), what="a word in the terminal")
            assert not file.exists()
            away.rename(file)
            eventually(lambda: any("is back" in line for line in system.output), what="a word in the terminal")
            again = client.post("/api/chat/", json={"message": "hello"})
            assert again.status_code == 202
            eventually(
                lambda: client.get(f"/api/runs/{again.json()['run']['id']}/").json()["state"] == "succeeded",
                within_s=60,
                what="an answer",
            )
            assert client.get(f"/api/runs/{asked}/").json()["state"] == "succeeded"
    finally:
        assert system.stop() == 0, "".join(system.output)
