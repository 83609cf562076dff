"""Name look-ups that hang hold up nobody: neither who asked, nor the loop's end, nor look-ups of other names."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from aiops import lookups
from tests.acceptance.system import eventually

FOUND = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 443))]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Every name that is looked up; those that begin with "slow" get no answer before the end of the test."""
    names: list[str] = []
    answer = threading.Event()

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        names.append(host)
        if host.startswith("slow"):
            answer.wait()
        return FOUND

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield names
    answer.set()
    eventually(lambda: not lookups._running, within_s=30, what="the end of all look-ups")


def ends(run: Callable[[Coroutine[Any, Any, None]], None], work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    ended = threading.Event()
    threading.Thread(target=lambda: (run(work()), ended.set()), daemon=True).start()
    return ended.wait(30)


async def give_up() -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().getaddrinfo("slow", 443), 0.01)


@pytest.mark.usefixtures("asked")
def test_a_loop_ends_although_a_look_up_of_it_hangs() -> None:
    assert ends(lookups.run, give_up)


def test_a_look_up_that_hangs_is_shared_by_all_who_ask_for_the_same_name(asked: list[str]) -> None:
    for _ in range(20):
        with pytest.raises(TimeoutError):
            lookups.start("slow", 443).result(0.01)
    assert asked == ["slow"]
    assert lookups.start("quick", 443).result(30) == FOUND


def test_look_ups_that_hang_are_bounded_in_number(monkeypatch: pytest.MonkeyPatch, asked: list[str]) -> None:
    monkeypatch.setattr(lookups, "LIMIT", 2)
    for name in ("slow-1", "slow-2"):
        lookups.start(name, 443)
    with pytest.raises(OSError, match="2 look-ups"):
        lookups.start("slow-3", 443).result(30)
    with pytest.raises(TimeoutError):
        lookups.start("slow-1", 443).result(0.01)
    assert "slow-3" not in asked


def test_an_error_of_a_look_up_is_raised_where_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(socket.gaierror):
        lookups.start("nowhere", 443).result(30)
    assert ("nowhere", 443, 0, 0, 0, 0) not in lookups._running
