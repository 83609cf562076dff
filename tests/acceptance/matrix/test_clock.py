"""Somebody sets the clock of a running system by an hour, ahead and back."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.deciding import let_call
from tests.acceptance.matrix.asking import Asker
from tests.acceptance.matrix.checker import check
from tests.acceptance.matrix.scale import in_full
from tests.acceptance.system import System, eventually
from tests.conftest import missing
from tests.servers.redis import Redis

HOUR_S = 3_600


class Clock:
    """The time of day of all processes that ``clock.c`` is loaded into; monotonic time is left alone."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ahead_s"
        self._library = folder / "clock.so"
        compiler = shutil.which("cc") or shutil.which("gcc") or missing("a C compiler (Debian: gcc, libc6-dev)")
        source = str(Path(__file__).with_name("clock.c"))
        subprocess.run([str(compiler), "-shared", "-fPIC", "-O1", source, "-o", str(self._library)], check=True)
        self.set(0)

    def set(self, seconds: int) -> None:
        self.file.write_text(f"{seconds}\n")

    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CLOCK_FILE": str(self.file)}


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


@pytest.fixture
def system(clock: Clock, matrix_environment: dict[str, str], tmp_path: Path) -> Iterator[System]:
    (tmp_path / "redis").mkdir()
    redis = Redis(tmp_path / "redis")
    redis.start()
    env = {**matrix_environment, **clock.environment(), "REDIS_URL": redis.url}
    made = System(tmp_path / "home", **env).start()
    let_call(made, "effects")
    yield made
    made.stop()
    redis.end()


@in_full
def test_a_clock_set_ahead_an_hour_and_back_loses_nothing_and_stops_no_job(
    system: System, clock: Clock, effects: tuple[str, Path]
) -> None:
    asker = Asker(system)
    for ahead_s in (HOUR_S, 0):
        asked = asker.ask(10, words=80, pause_s=0.05)
        system.until(asked[0].run, "message.delta")
        clock.set(ahead_s)
        asker.ask(5)
        late = asker.ask(1, words=100, pause_s=0.05)[0]
        worker = system.until(late.run, "run.started")["worker"]
        system.until(late.run, "message.delta")
        system.signal(signal.SIGKILL, worker=worker)
        eventually(lambda run=late.run: system.run(run)["attempts"] == 1, what="the dead worker's run taken back")
        check(system, asker.asked, effects[1])
    asker.close()
