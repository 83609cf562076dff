"""Structured logging: one JSON object per line, with the ids of the current run and without secrets."""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Callable
from typing import Any

import structlog

bind = structlog.contextvars.bound_contextvars
"""Context manager that adds ids (run, conversation, task) to each line logged inside it."""

NOISY = (
    "httpx",
    "httpcore",
    "mcp",
    "celery.beat",  # a line for each message that is sent, 7 MB a day
    "celery.worker.strategy",
    "celery.app.trace",
    "openai",
    "asyncio",
    "urllib3",
)


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; the first argument of its calls is the ``action`` that tests assert."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger


def configure(level: str, *, redact: Callable[[str], str]) -> None:
    """Write this process's log lines to standard error as JSON, passed through ``redact``."""

    def hide_secrets(_logger: Any, _method: str, line: Any) -> str:
        return redact(str(line))

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("action"),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setLevel(level)  # some packages lower their own logger's level when they are imported
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
                hide_secrets,
            ],
        )
    )
    # No line has these, and finding them out takes an eighth of its time (November 2026).
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(True)


def take_over(name: str) -> None:
    """Write the lines of a package as ours are written: remove the handlers that it has set for itself."""
    logger = logging.getLogger(name)
    logger.handlers.clear()
    logger.propagate = True
