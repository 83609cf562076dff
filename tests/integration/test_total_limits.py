"""Whatever a server of somebody else's does, a call to it ends in time and holds up nobody else.

Each of these servers sends a byte again and again, so that no limit between two bytes is ever reached.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiops import lookups
from aiops.llm import reachability
from aiops.tool_servers.client import http, probe, transport
from aiops.tool_servers.client.errors import ToolTimeout
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Health, Protocol, ServerSpec
from config.doctor import running
from config.local.home import Home
from tests.acceptance.system import eventually
from tests.integration.receivers import Silent
from tests.models import spec_at

WITHIN_S = 60
Dripping = Callable[..., Any]


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    from tests.integration.dripping_server import DrippingServer

    started: list[DrippingServer] = []

    def start(**what: set[str]) -> DrippingServer:
        started.append(DrippingServer(**what))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def silent() -> Iterator[Silent]:
    server = Silent(drips=False)
    yield server
    server.stop()


@pytest.fixture
def no_names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Name servers that never answer."""
    answer = threading.Event()

    def hang(*_: Any, **__: Any) -> list[Any]:
        answer.wait()
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield
    answer.set()
    eventually(lambda: not lookups._running, within_s=30, what="the end of all look-ups")  # others would share them


def in_time(work: Callable[[], Any]) -> Any:
    """Return what work returns; fails when it does not end."""
    came: list[Any] = []
    thread = threading.Thread(target=lambda: came.append(work()), daemon=True)
    thread.start()
    thread.join(WITHIN_S)
    assert came, "it is held for ever"
    return came[0]


def spec(url: str, **fields: Any) -> ServerSpec:
    return ServerSpec("drips", protocol=Protocol.HTTP, url=f"{url}/mcp", **{"handshake_s": 0.5, **fields})


LATE = Health("It did not answer within 0.5 s.")


@pytest.mark.parametrize("part", ["head", "body"])
@pytest.mark.parametrize("what", ["initialize", "tools/list", "GET", "DELETE"])
def test_a_health_check_of_a_dripping_server_ends_in_time(
    dripping: Dripping, part: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CLOSE_S", 0.2)
    url = dripping(**{part: {what}}).url
    checked = [spec(url), spec(url, health_url=f"{url}/health")]
    handshake, by_path = in_time(lambda: probe.check(checked))
    if what in ("initialize", "tools/list"):
        assert handshake == LATE
    if what == "GET":
        assert by_path.problem == (LATE.problem if part == "head" else "")


def test_health_checks_of_silent_servers_end_in_time(silent: Silent) -> None:
    url = f"http://127.0.0.1:{silent.port}"
    over_sse = ServerSpec("sse", protocol=Protocol.SSE, url=f"{url}/sse", handshake_s=0.5)
    assert in_time(lambda: probe.check([spec(url), spec(url, health_url=url), over_sse])) == [LATE] * 3


@pytest.mark.usefixtures("no_names")
def test_a_health_check_ends_in_time_when_the_name_is_never_found() -> None:
    inside, outside = spec("http://tools.internal"), spec("https://tools.example.org", external=True)
    assert in_time(lambda: probe.check([inside, outside])) == [LATE] * 2


@pytest.mark.parametrize("part", ["head", "body"])
async def test_a_tool_call_that_drips_ends_in_time_and_its_connection_is_closed(
    dripping: Dripping, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "SLACK_S", 0.1)
    server = dripping(**{part: {"tools/call"}})
    pool = ToolPool([spec(server.url, handshake_s=2.0)], limits=CallLimits(0.3, 0.3))
    pool.start()
    (look,) = (await pool.catalogue()).tools
    session = pool.servers["drips"]
    with pytest.raises(ToolTimeout):
        await pool.call(look, {})
    assert await asyncio.to_thread(server.given_up.acquire, timeout=WITHIN_S)
    assert session.connected
    async with asyncio.timeout(WITHIN_S):
        await pool.stop()


async def test_a_session_whose_goodbye_drips_is_closed_in_time(
    dripping: Dripping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "CLOSE_S", 0.2)
    server = dripping(head={"DELETE"})
    async with asyncio.timeout(WITHIN_S):
        async with transport.session(spec(server.url)) as session:
            await session.initialize()
    assert server.given_up.acquire(timeout=WITHIN_S)


@pytest.mark.parametrize("part", ["head", "body"])
def test_asking_a_provider_that_drips_ends_in_time(
    dripping: Dripping, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "TIMEOUT_S", 0.5)
    url = dripping(**{part: {"GET"}}).url
    reached = in_time(lambda: reachability.check(spec_at("openai", f"{url}/v1"), running.SETTINGS))
    assert reached.ok == (part == "body"), "of the answer nothing but its status counts"
    assert part == "body" or "did not answer within 0.5 s" in reached.detail


@pytest.mark.usefixtures("no_names")
def test_asking_a_provider_whose_name_is_never_found_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reachability, "TIMEOUT_S", 0.5)
    reached = in_time(lambda: reachability.check(spec_at("ollama", "http://models.internal"), running.SETTINGS))
    assert not reached.ok


@pytest.mark.parametrize("part", ["head", "body"])
def test_doctor_gives_up_a_front_that_drips(
    dripping: Dripping, part: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    monkeypatch.setattr(running, "WEB_S", 0.5)
    home = Home(tmp_path)
    home.address.parent.mkdir(parents=True, exist_ok=True)
    home.address.write_text(dripping(**{part: {"GET"}}).url)
    monkeypatch.setattr(running, "SETTINGS", running.SETTINGS.model_copy(update={"home": tmp_path}))
    (found,) = in_time(running.examine).findings
    assert not found.ok
    assert "did not answer within 0.5 s" in found.seen
