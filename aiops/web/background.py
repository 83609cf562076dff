"""What a request leaves to be done after its answer: a frozen Redis or broker must not hold the asker up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import close_old_connections, connection

from aiops import log

THREADS = 4

logger = log.get(__name__)
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="background")


def later(function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Call a function in a thread of the background; what it raises is logged. Lost when the process dies."""
    _pool.submit(_call, function, args, options)


def _call(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    close_old_connections()
    try:
        function(*args, **options)
    except Exception:
        logger.exception("background.failed", function=getattr(function, "__name__", ""))
    finally:
        connection.close()
