"""Host name look-ups in daemon threads, so that a caller can stop waiting for one that hangs.

``socket.getaddrinfo`` has no time limit and can't be cancelled. asyncio runs it in the loop's few threads, and the end
of the loop and of the process wait for it.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

LIMIT = 256
"""Maximum concurrent look-ups in one process; callers that look up the same name share one."""

T = TypeVar("T")
Query = tuple[Any, ...]
_running: dict[Query, Future[list[Any]]] = {}
_lock = threading.Lock()


def start(host: Any, port: Any, *, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0) -> Future[list[Any]]:  # noqa: A002
    """Start ``socket.getaddrinfo``; the future fails with OSError when too many look-ups are running."""
    query = (host, port, family, type, proto, flags)
    with _lock:
        if query in _running:
            return _running[query]
        future: Future[list[Any]] = Future()
        future.set_running_or_notify_cancel()  # a caller that stops waiting must not cancel it for the others
        if len(_running) >= LIMIT:
            future.set_exception(OSError(f"{LIMIT} look-ups of host names are running and do not end"))
            return future
        _running[query] = future
    threading.Thread(target=_run, args=(query, future), name="name-lookup", daemon=True).start()
    return future


def _run(query: Query, future: Future[list[Any]]) -> None:
    host, port, family, kind, proto, flags = query
    try:
        found = socket.getaddrinfo(host, port, family=family, type=kind, proto=proto, flags=flags)
    except Exception as error:  # noqa: BLE001  raised to those who wait for the future
        _forget(query)
        future.set_exception(error)
    else:
        _forget(query)
        future.set_result(found)


def _forget(query: Query) -> None:
    with _lock:
        del _running[query]


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose look-ups delay neither each other nor its end."""

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        return await asyncio.wrap_future(start(host, port, family=family, type=type, proto=proto, flags=flags))


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine as ``asyncio.run`` does, but do not wait for look-ups that it left behind."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(coroutine)
