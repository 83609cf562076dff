"""Limits over several web processes: what another one counted counts here too; without Redis each counts for itself."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.cache import cache
from pydantic import SecretStr

from aiops import keyspace, settings
from aiops.web import throttle
from aiops.web.counts import ALONE_S, Counts
from tests.ports import free_port

MOST = 250


@pytest.fixture(autouse=True)
def one_minute(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    another_process(monkeypatch)
    monkeypatch.setattr(throttle.time, "time", lambda: 1_000_000.0)  # no minute ends within a test
    yield
    cache.clear()


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget what only this process knows."""
    cache.clear()
    monkeypatch.setattr(throttle, "shared", Counts())


def server_at(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the counts be at another server."""
    there = settings.current().model_copy(update={"redis_url": SecretStr(f"redis://127.0.0.1:{port}/0")})
    monkeypatch.setattr(settings, "_installed", [there])


def accepted(times: int, *, most: int = MOST) -> int:
    return sum(throttle.take("api:ann", most) for _ in range(times))


def test_a_limit_holds_over_processes_to_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    first = accepted(MOST - 7)
    another_process(monkeypatch)
    second = accepted(MOST)
    assert first == MOST - 7
    unused = MOST // throttle.PORTIONS  # what the first process took and did not use
    assert MOST - unused < first + second <= MOST


def test_one_process_gets_the_whole_limit_and_no_more() -> None:
    assert accepted(2 * MOST) == MOST
    assert accepted(10, most=3) == 0  # another limit of the same user
    assert throttle.take("api:eve", MOST)


def test_few_requests_wait_for_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keyspace.quick().info("stats")["total_commands_processed"]
    assert accepted(6_000, most=6_000) == 6_000
    after = keyspace.quick().info("stats")["total_commands_processed"]
    assert after - before < 3 * throttle.PORTIONS  # INCRBY and EXPIRE for each portion


def test_failures_of_all_processes_add_up_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        throttle.count("sign-in:a")
        another_process(monkeypatch)
    assert throttle.counted("sign-in:a") == 3
    assert throttle.counted("sign-in:b") == 0
    lives_s = [keyspace.sync().ttl(key) for key in keyspace.sync().keys("aiops:throttle:*")]
    assert len(lives_s) == 1
    assert 0 < lives_s[0] <= throttle.KEPT_S


def test_without_redis_each_process_counts_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    server_at(free_port(), monkeypatch)
    for _ in range(2):
        assert accepted(2 * MOST) == MOST
        throttle.count("sign-in:a")
        assert throttle.counted("sign-in:a") == 1
        another_process(monkeypatch)


def test_failures_counted_alone_still_count_when_redis_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as down:
        server_at(free_port(), down)
        for _ in range(4):
            throttle.count("sign-in:a")
    monkeypatch.setattr(throttle, "shared", Counts())
    assert throttle.counted("sign-in:a") == 4


def test_a_redis_that_hangs_delays_one_request_and_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    with socket.create_server(("127.0.0.1", 0)) as silent:
        server_at(silent.getsockname()[1], monkeypatch)
        monkeypatch.setattr("aiops.web.counts.time", Clock(now))
        silent.settimeout(0.05)
        for at_once in (1, 8):
            with ThreadPoolExecutor(at_once) as threads:
                assert sum(threads.map(accepted, [48 // at_once] * at_once)) == 48
            silent.accept()[0].close()  # one connection, hence one attempt
            with pytest.raises(TimeoutError):
                silent.accept()
            now[0] += ALONE_S


def test_a_process_that_was_alone_counts_with_the_others_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1_000.0]
    monkeypatch.setattr("aiops.web.counts.time", Clock(now))
    with monkeypatch.context() as down:
        server_at(free_port(), down)
        throttle.count("sign-in:a")
    throttle.count("sign-in:a")  # too early
    assert not keyspace.sync().keys("aiops:throttle:*")
    now[0] += ALONE_S
    throttle.count("sign-in:a")
    throttle.count("sign-in:a")
    assert keyspace.sync().get(keyspace.throttle("sign-in:a", int(1_000_000 // throttle.WINDOW_S))) == b"2"


class Clock:
    """A monotonic clock that stands still."""

    def __init__(self, now: list[float]) -> None:
        self._now = now

    def monotonic(self) -> float:
        return self._now[0]
