"""What led to an error, also where a library hides it."""

from __future__ import annotations

from collections.abc import Iterator


def causes(error: BaseException, *, contexts: bool = False) -> Iterator[BaseException]:
    """Yield an error and what led to it, also where a client library hides that.

    ``contexts``: also what was being handled when an error was raised without naming a cause, as redis-py does.
    """
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__ or (cause.__context__ if contexts or cause.__suppress_context__ else None)
