"""Somebody sets the clock of a running system by an hour, ahead and back."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.checker import check
from tests.acceptance.system import System, eventually
from tests.conftest import missing
from tests.servers.redis import Redis

HOUR_S = 3_600


class Clock:
    """The clock of all processes that libfaketime is loaded into; monotonic time is left alone."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.set(0)

    def set(self, seconds: int) -> None:
        self.file.write_text(f"{seconds:+d}\n")

    def environment(self) -> dict[str, str]:
        found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        if not found:
            missing("libfaketime (Debian: faketime)")
        return {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path / "clock")


@pytest.fixture
def system(clock: Clock, matrix_environment: dict[str, str], tmp_path: Path) -> Iterator[System]:
    (tmp_path / "redis").mkdir()
    redis = Redis(tmp_path / "redis")
    redis.start()
    env = {**matrix_environment, **clock.environment(), "REDIS_URL": redis.url}
    made = System(tmp_path / "home", **env).start()
    yield made
    made.stop()
    redis.end()


@pytest.mark.parametrize("seconds", [HOUR_S, -HOUR_S])
def test_a_clock_set_by_an_hour_loses_nothing_and_upkeep_goes_on(
    system: System, clock: Clock, effects: tuple[str, Path], seconds: int
) -> None:
    asker = Asker(system)
    asked = asker.ask(10, words=80, pause_s=0.05)
    system.until(asked[0].run, "message.delta")
    clock.set(seconds)
    asker.ask(5)
    late = asker.ask(1, words=100, pause_s=0.05)[0]
    worker = system.until(late.run, "run.started")["worker"]
    system.until(late.run, "message.delta")
    set_at = time.monotonic()
    system.signal(signal.SIGKILL, worker=worker)
    eventually(lambda: system.run(late.run)["attempts"] == 1, within_s=15, what="the dead worker's run taken back")
    assert time.monotonic() - set_at < 15
    check(system, asker.asked, effects[1])
    asker.close()
