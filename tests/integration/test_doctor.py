"""``aiops doctor`` says what the running server says of itself, and marks what it can say of its own shell alone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db.migrations.recorder import MigrationRecorder
from pydantic import SecretStr

from aiops.maintenance.models import JobRun
from aiops.settings import Settings
from aiops.status import examination as status
from config.doctor import running, servers, surroundings
from config.doctor.finding import Finding
from config.doctor.running import Server
from tests.ports import free_port

pytestmark = pytest.mark.django_db


def parts() -> dict[str, str]:
    """Return what this process's own settings lead to."""
    redis_url = django_settings.SETTINGS.redis_url.get_secret_value()
    own = {"redis": status.address(redis_url), "broker": status.address(django_settings.SETTINGS.broker)}
    return {"database": status.database_address(), **own}


def reported(**changes: Any) -> Server:
    """Return a server that answered with gpt-x of openai."""
    model = {"provider": "openai", "name": "gpt-x", "reason": "default", "problem": ""}
    details: dict[str, Any] = {part: {"ok": True, "address": where, "problem": ""} for part, where in parts().items()}
    details |= {"provider": None, "tool_servers": []}
    return Server([], {"model": model, "details": details | changes})


def reached(*, ok: bool) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"reachable": ok, "detail": "gpt-x (openai) at http://x answered", "checked_at": at, "since": at}


@pytest.mark.parametrize("ok", [True, False])
def test_the_model_is_the_servers_and_not_this_shells(ok: bool) -> None:
    (found,) = surroundings.model(reported(provider=reached(ok=ok)))
    assert (found.ok, found.required) == (ok, True)
    assert "gpt-x (openai) at http://x answered, 0 s ago" in found.seen


def whole(**changes: Any) -> dict[str, Any]:
    queues = [{"queue": "runs", "oldest_s": 12.0}, {"queue": "batch", "oldest_s": None}]
    worker = {"name": "runs-1@a", "queue": "runs", "seen_s": 1.0, "runs": 3, "loop_lag_s": 0.004}
    disk = {"ok": True, "path": "/x", "free_bytes": 2_000_000_000, "total_bytes": 4_000_000_000}
    return {"queues": queues, "workers": [worker], "disk": disk, "failures": [], **changes}


def test_doctor_shows_what_the_server_sees() -> None:
    server = reported(**whole())
    server.facts["missing"] = ["tool server netbox"]
    view, load, failed = running.view(server)
    assert (view.ok, view.required, view.seen) == (False, False, "tool server netbox")
    assert load.seen == (
        "1 workers hold 3 runs, with at most 4 ms of loop lag; the oldest message waits 12 s, 2.0 GB free on its disk"
    )
    assert failed.ok
    lately = [{"kind": "run", "detail": "The key[31m was refused."}]
    server = reported(**whole(failures=lately))
    server.facts["missing"] = []
    view, _, failed = running.view(server)
    assert (view.ok, failed.ok) == (True, False)
    assert failed.seen.startswith("1 in the last 24 hours, the newest run: The key")
    assert "" not in failed.seen


def test_doctor_says_when_it_could_not_ask_or_was_not_shown_all() -> None:
    (found,) = running.view(Server([]))
    assert (found.ok, found.seen) == (False, "the server could not be asked")
    asked = Server([], {"model": {}, "missing": [], "details": None})
    assert [one.ok for one in running.view(asked)] == [True, False]


def test_doctor_is_not_green_about_a_part_that_nobody_checked_yet() -> None:
    (found,) = surroundings.model(reported())
    assert (found.ok, found.required) == (False, False)
    assert "gpt-x (openai)" in found.seen


def test_doctor_marks_what_holds_for_its_shell_alone() -> None:
    (found,) = surroundings.model(Server([]))
    assert "(this shell's settings, no server was asked)" in found.seen
    assert (found.ok, found.required) == (False, False)


def test_doctor_says_when_its_shell_leads_to_other_servers_than_the_running_one() -> None:
    assert running.settings(reported()) == []
    other = {"ok": False, "address": "postgresql://db:5432/aiops", "problem": "refused"}
    here, web = running.settings(reported(database=other))
    assert (here.part, here.required) == ("database here", False)
    assert "postgresql://db:5432/aiops" in here.seen
    assert (web.part, web.required, web.seen) == ("database of web", True, "postgresql://db:5432/aiops: refused")


def test_a_tool_server_that_this_shell_does_not_know_is_named() -> None:
    one = {"name": "netbox", "status": "failed", "problem": "It is away.", "required": True}
    (found,) = running.tools(reported(tool_servers=[one]), seen_here={"host"})
    assert (found.part, found.ok, found.required) == ("tools netbox", False, True)
    assert "It is away." in found.seen


def test_doctor_wants_the_right_file_back_when_the_database_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("aiops_x")
    monkeypatch.setattr(servers, "SETTINGS", Settings(home=tmp_path))
    monkeypatch.setattr(MigrationRecorder, "has_table", lambda self: False)  # as in a file without tables
    (found,) = servers.database()
    assert "has no tables, though this home was used before" in found.seen
    assert "Put the right file back" in found.cure


def test_a_job_that_fails_is_not_green() -> None:
    JobRun.objects.create(job="retention", slot="1", outcome="failed", summary={"error": "OSError: no room"})
    assert [(one.part, one.ok, one.seen) for one in servers.jobs()] == [
        ("job retention", False, "it failed: OSError: no room")
    ]


def test_a_reaper_that_never_ends_is_not_taken_for_one_that_runs() -> None:
    JobRun.objects.create(job="reaper", slot="1", outcome="running")
    (found,) = servers.beat()
    assert not found.ok


class Ready(BaseHTTPRequestHandler):
    """A server that is ready, and knows no status."""

    answer = (200, b'{"status": "ready", "degraded": ["workers"]}')

    def do_GET(self) -> None:
        status, body = self.answer
        self.send_response(status if self.path == "/health/ready" else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_doctor_repeats_what_a_server_says_that_refuses_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = b'{"status": 400, "code": "bad_host", "detail": "aiops is not a name of this server."}'
    monkeypatch.setattr(Ready, "answer", (400, refusal))
    web = examined(monkeypatch, url=url)
    assert (web.ok, web.required) == (False, True)
    assert "answered 400 aiops is not a name of this server." in web.seen


def test_doctor_says_of_a_server_without_status_that_it_was_not_asked(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "SETTINGS", django_settings.SETTINGS.model_copy(update={"url": url}))
    server = running.examine()
    web, asked = server.findings
    assert (web.ok, web.required, "without workers" in web.seen) == (False, False, True)
    assert (asked.part, asked.ok, asked.required) == ("status", False, False)
    assert server.facts == {}


def examined(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> Finding:
    """Return what is found of the web process by a shell with these settings."""
    monkeypatch.setattr(running, "SETTINGS", django_settings.SETTINGS.model_copy(update=changes))
    (web,) = running.examine().findings
    return web


def test_where_workers_alone_run_no_web_process_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web = examined(monkeypatch, home=tmp_path)
    assert (web.ok, web.required) == (False, False)
    assert "Set AIOPS_URL and AIOPS_TOKEN" in web.cure
    assert "aiops up" not in web.cure


def test_where_aiops_up_was_started_or_no_server_is_named_it_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text("aiops_x")
    assert examined(monkeypatch, home=tmp_path).required
    web = examined(monkeypatch, home=tmp_path / "none", redis_url=SecretStr(""))
    assert (web.ok, web.required, web.cure.startswith("Start `aiops up`")) == (False, True, True)
    assert "AIOPS_URL" in web.cure


def test_a_public_address_that_a_worker_cannot_reach_is_no_failure_of_the_web_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    web = examined(monkeypatch, home=tmp_path, public_url=nobody)
    assert (web.ok, web.required) == (False, False)
    assert nobody in web.seen
    assert "Set AIOPS_URL" in web.cure
    web = examined(monkeypatch, home=tmp_path, url=nobody)
    assert (web.ok, web.required) == (False, True)
    assert "AIOPS_URL" in web.cure
