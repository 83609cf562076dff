"""The names and origins under which the stream's door is asked: it answers to its own alone."""

from __future__ import annotations

import socket
from contextlib import closing

import httpx
import pytest

from tests.acceptance.system import System


@pytest.fixture(scope="module")
def run_id(system: System) -> str:
    made = system.ask("hello", {})["run"]["id"]
    system.ended(made)
    return made


def status(system: System, run_id: str, *headers: str) -> int:
    """Ask as no client library would, and return the status."""
    lines = [f"GET /api/runs/{run_id}/events HTTP/1.1", f"Authorization: Bearer {system.token}", *headers, "", ""]
    with closing(socket.create_connection(("127.0.0.1", system.port), timeout=10)) as client:
        client.sendall("\r\n".join(lines).encode())
        return int(client.recv(4_096).split()[1])


@pytest.mark.parametrize(
    "hosts",
    [
        [], [""], ["evil.example"], ["127.0.0.1.evil.example"], ["evil.example:80"], ["127.0.0.1@evil.example"],
        ["[::1"], ["localhost:port"], ["localhost", "localhost"], ["localhost", "evil.example"],
    ],
    ids=" and ".join,
)  # fmt: skip
def test_the_stream_has_one_name_and_that_is_this_servers(system: System, run_id: str, hosts: list[str]) -> None:
    names = [f"Host: {host}" for host in hosts]
    assert status(system, run_id, *names) == 400
    assert status(system, run_id, *names, "X-Forwarded-Host: localhost", "Forwarded: host=localhost") == 400


@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "https://evil.example", "http://[", "http://127.0.0.1", "http://localhost:1", "localhost",
        "http://localhost.evil.example", "http://evil@localhost", "file://", "ws://localhost",
    ],
)  # fmt: skip
def test_the_stream_is_for_pages_of_this_server(system: System, run_id: str, origin: str) -> None:
    host = f"Host: 127.0.0.1:{system.port}"
    assert status(system, run_id, host, f"Origin: {origin}") == 403
    assert status(system, run_id, host, f"Origin: {system.url}", f"Origin: {origin}") == 403


def test_our_own_page_passes_and_a_foreign_forwarded_host_changes_nothing(system: System, run_id: str) -> None:
    ours = (f"Host: 127.0.0.1:{system.port}", f"Origin: {system.url}")
    assert status(system, run_id, *ours) == 200
    assert status(system, run_id, *ours, "X-Forwarded-Host: evil.example") == 200
    with httpx.Client(base_url=system.url, headers={"X-Forwarded-Host": "evil.example"}) as nobody:
        assert nobody.get("/").headers["location"].startswith("/sign-in/")
        token = {"Authorization": f"Bearer {system.token}"}
        page = nobody.get("/api/runs/?limit=1", headers=token).json()
        assert page["next"] is None or page["next"].startswith(system.url)
