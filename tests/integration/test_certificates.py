"""Everything that goes out by HTTP trusts the authority of SSL_CERT_FILE, and names what is wrong with others."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from django.conf import settings as django_settings

from aiops import net
from aiops.llm import clients, explanations, failures, reachability
from aiops.settings import Settings
from aiops.terminal import client
from aiops.terminal.client import CallFailed, Client
from aiops.tool_servers.client import probe
from aiops.tool_servers.client.values import Protocol, ServerSpec
from aiops.webhooks.sending import Sender, SignedRequest
from config.doctor import running
from tests.models import spec_at

UNKNOWN = "its certificate was issued by an authority that is not known here"
OTHER_NAME = "its certificate is for another name"
EXPIRED = "its certificate has expired"
RETRIED = "It is tried again."


@dataclass
class Answers:
    """Counts the requests that reach a server; its answers are JSON of no use."""

    count: int = 0


@dataclass(frozen=True)
class Authority:
    """An internal authority, and a way to start servers with its certificates."""

    made: trustme.CA
    file: Path
    servers: list[ThreadingHTTPServer]

    def serve(self, answers: Answers, certificate: trustme.LeafCert) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def _answer(self) -> None:
                answers.count += 1
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is no error here
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.servers.append(server)
        return f"https://127.0.0.1:{server.server_port}"


@pytest.fixture
def authority(tmp_path: Path) -> Iterator[Authority]:
    made = Authority(trustme.CA(), tmp_path / "ca.pem", [])
    made.made.cert_pem.write_to_path(str(made.file))
    yield made
    for server in made.servers:
        server.shutdown()
        server.server_close()


def by_model(provider: str) -> Callable[[str], str]:
    def ask(url: str) -> str:
        spec = spec_at(provider, url, key="k" * 20)

        async def stream() -> None:
            client = await clients.make(spec, Settings(), timeout_s=10)
            async for _ in client.model.astream("hello"):
                return

        try:
            asyncio.run(stream())
        except Exception as error:
            failed = explanations.explain(error, spec)
            retried = failed.retry or failures.is_transient(error)
            return f"{failed.detail} {RETRIED if retried else ''}"
        return ""

    return ask


def by_reachability(url: str) -> str:
    reached = reachability.check(spec_at("openai", url), Settings())
    return f"{reached.detail}. {reached.cure}"


def by_tool_server(**spec: Any) -> Callable[[str], str]:
    def check(url: str) -> str:
        (health,) = probe.check([ServerSpec(name="t", url=f"{url}/mcp", health_url=url, handshake_s=10, **spec)])
        return health.problem

    return check


def by_session(url: str) -> str:
    (health,) = probe.check([ServerSpec(name="t", url=f"{url}/mcp", protocol=Protocol.HTTP, handshake_s=1)])
    return health.problem


def by_webhook(url: str) -> str:
    settings = django_settings.SETTINGS.model_copy(update={"webhook_networks": "127.0.0.0/8"})
    return asyncio.run(Sender(settings).send(SignedRequest(url, b"{}", {}))).error


def by_command(url: str) -> str:
    try:
        Client(url, "token").get("/api/status/")
    except CallFailed as failed:
        return str(failed)
    return ""


def by_stream_of_events(url: str) -> str:
    try:
        list(Client(url, "token").events("run"))
    except CallFailed as failed:
        return str(failed)
    except Exception as error:  # the answer is no stream of events
        return str(error)
    return ""


def by_doctor(url: str) -> str:
    shell = django_settings.SETTINGS.model_copy(update={"url": url})
    with pytest.MonkeyPatch.context() as changes:
        changes.setattr(running, "SETTINGS", shell)
        found = running.examine().findings[0]
    return f"{found.seen}. {found.cure}"


CLIENTS: dict[str, Callable[[str], str]] = {
    "openai": by_model("openai"),
    "ollama": by_model("ollama"),
    "reachability": by_reachability,
    "tool server": by_tool_server(protocol=Protocol.HTTP),
    "external tool server": by_tool_server(protocol=Protocol.HTTP, external=True),
    "session of a tool server": by_session,
    "webhook": by_webhook,
    "command": by_command,
    "stream of events": by_stream_of_events,
    "doctor": by_doctor,
}


@pytest.mark.parametrize("name", CLIENTS)
def test_every_client_trusts_the_authority_of_ssl_cert_file_and_says_what_is_wrong_with_others(
    name: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(net, "_is_public", lambda _: True)
    monkeypatch.setattr(client, "RECONNECTS", 0)  # the answer is no stream
    answers, issue = Answers(), authority.made.issue_cert
    yesterday = datetime.now(UTC) - timedelta(days=1)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    refused = CLIENTS[name](authority.serve(answers, issue("127.0.0.1")))
    assert UNKNOWN in refused
    assert "SSL_CERT_FILE" in refused
    assert RETRIED not in refused
    assert "docs/operations/certificates.md" in refused
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert OTHER_NAME in CLIENTS[name](authority.serve(answers, issue("other.test")))
    assert EXPIRED in CLIENTS[name](authority.serve(answers, issue("127.0.0.1", not_after=yesterday)))
    assert answers.count == 0
    assert "certificate" not in CLIENTS[name](authority.serve(answers, issue("127.0.0.1")))
    assert answers.count > 0
