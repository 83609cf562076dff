"""What tests of two web processes share: which of them serves, and clients that never pause."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import psutil

from tests.acceptance.system import System, eventually

HAMMERS = 8


def serving(system: System) -> list[psutil.Process]:
    """Wait until two web processes have connected to Redis, as they do before they accept."""

    def look() -> list[psutil.Process]:
        found = system.processes("uvicorn")
        return found if len(found) == 2 and all(is_serving(process) for process in found) else []

    return eventually(look, within_s=30, what="two web processes")


def is_serving(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any(connection.status == "ESTABLISHED" for connection in process.net_connections("tcp"))
    return False


@contextlib.contextmanager
def only(process: psutil.Process, webs: list[psutil.Process]) -> Iterator[None]:
    """Let one of the web processes take all new connections."""
    others = [web for web in webs if web != process]
    for other in others:
        other.suspend()
    try:
        yield
    finally:
        for other in others:
            with contextlib.suppress(psutil.NoSuchProcess):
                other.resume()


def in_one_minute(attempt: Callable[[], None]) -> None:
    """Attempt it until no minute ended meanwhile: a new one begins to count from zero."""
    while True:
        minute = time.time() // 60
        try:
            attempt()
        except AssertionError:
            if time.time() // 60 == minute:
                raise
        if time.time() // 60 == minute:
            return


class Hammer:
    """Asks for /health/live, each time on a new connection, and keeps what did not work."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(HAMMERS)]
        self.answers = 0
        self.failures: list[Exception] = []

    def __enter__(self) -> Hammer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        while not self._done.is_set():
            try:
                assert httpx.get(f"{self._url}/health/live", timeout=60).status_code == 200
                self.answers += 1
            except Exception as error:  # the test looks at them
                self.failures.append(error)
