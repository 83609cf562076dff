"""Whether model providers can be reached."""

from __future__ import annotations

from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db.models.functions import Now
from pydantic import SecretStr

from aiops.llm import reachability, snapshot
from aiops.llm.models import ProviderHealth
from aiops.llm.values import Models, ModelSpec
from tests.integration.tool_servers.rows import lab
from tests.models import spec_at

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider() -> Any:
    """A provider's server that answers what its ``status`` says."""

    class Answers(BaseHTTPRequestHandler):
        status = 200

        def do_GET(self) -> None:
            self.send_response(Answers.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1], Answers
    server.shutdown()
    server.server_close()


def test_providers_are_asked_and_what_they_answered_is_kept(provider: Any) -> None:
    port, answers = provider
    settings = lab(
        llm_type="openai", llm_model="m", providers={"OPENAI_BASE_URL": SecretStr(f"http://127.0.0.1:{port}/v1")}
    )

    def look() -> tuple[bool, str, Any]:
        ProviderHealth.objects.update(checked_at=Now() - timedelta(minutes=1))
        assert reachability.check_all(settings, redact=str)["providers_checked"] == 1
        row = ProviderHealth.objects.get()
        return row.reachable, row.detail, row.since

    reachable, detail, since = look()
    assert (reachable, "answered 200" in detail) == (True, True)
    assert look()[2] == since
    answers.status = 401
    reachable, detail, refused_since = look()
    assert (reachable, "OPENAI_API_KEY" in detail, refused_since > since) == (False, True, True)
    assert reachability.check_all(settings, redact=str)["providers_checked"] == 0, "asked again too soon"
    reachability.check_all(lab(llm_type="offline"), redact=str)
    assert not ProviderHealth.objects.exists()


def test_providers_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    together = Barrier(3)

    def check(*_: Any, **__: Any) -> reachability.Reached:
        together.wait(timeout=30)
        return reachability.Reached(True, "fine")

    specs = tuple(ModelSpec(name, "m", handler="openai") for name in "abc")
    monkeypatch.setattr(snapshot, "current", lambda _: Models(specs, specs[0]))
    monkeypatch.setattr(reachability, "check", check)
    counts = reachability.check_all(lab(), redact=str)
    assert counts == {"providers_checked": 3, "providers_unreachable": 0}


def test_the_provider_of_a_row_is_checked_only_where_one_may_be(provider: Any) -> None:
    port, _ = provider
    spec = spec_at("openai", f"http://localhost:{port}/v1", from_row=True)
    assert reachability.check(spec, lab()).ok
    refused = reachability.check(spec, lab(llm_networks=""))
    assert not refused.ok
    assert "AIOPS_LLM_NETWORKS" in refused.detail
