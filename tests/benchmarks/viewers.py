"""Many viewers of runs that are quiet: bare connections that read headers, and then whatever comes."""

from __future__ import annotations

import asyncio
import contextlib
import resource
from types import TracebackType

from tests.benchmarks.load import bearer
from tests.benchmarks.stack import Stack

AT_ONCE = 50


def allow_open_files(count: int) -> int:
    """Raise this process's limit, which what it starts inherits, as far as it may; return the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


class Viewers:
    """Open streams; leaving the context closes them."""

    def __init__(self, stack: Stack) -> None:
        self._port = stack.port
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in bearer(stack).items())
        self._reading: list[asyncio.Task[None]] = []
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Viewers:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None):
        for reading in self._reading:
            reading.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    @property
    def connected(self) -> int:
        return sum(not reading.done() for reading in self._reading)

    async def watch(self, paths: list[str]) -> None:
        """Open one stream for each path and wait until all have begun."""
        await asyncio.gather(*(self._open(path) for path in paths))

    async def _open(self, path: str) -> None:
        async with self._gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=4_096)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{self._headers}\r\n".encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
            assert b" 200 " in head.split(b"\r\n")[0], head
            await asyncio.wait_for(reader.readuntil(b"event: "), 60)  # the replay has come: it is subscribed
        self._reading.append(asyncio.create_task(self._read(reader, writer)))

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            while await reader.read(4_096):
                pass
