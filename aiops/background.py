"""Work after the response: a frozen Redis or broker must not delay the client."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiops import database, log

THREADS = 4

logger = log.get(__name__)
_pool = ThreadPoolExecutor(THREADS, thread_name_prefix="background")


def run_later(function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Call a function in a background thread; errors are logged. The call is lost if the process dies."""
    _pool.submit(_call, function, args, options)


def _call(function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> None:
    try:
        database.with_connection(function, *args, **options)
    except Exception:
        logger.exception("background.failed", function=getattr(function, "__name__", ""))
