"""The error tree; each error knows its stable code, its HTTP status and whether trying again can help.

AiopsError
├── Refused              the request cannot be served as it stands
│   ├── Invalid          400, with a reason for each field
│   ├── Unauthenticated  401
│   ├── Forbidden        403
│   ├── NotFound         404, also for what is somebody else's
│   ├── Conflict         409
│   ├── TooLarge         413
│   ├── IdempotencyMismatch  422
│   └── TooMany          429, says when to come back
├── Unavailable          503, a part we need is down
└── RunFailed            the run ends as failed with this code
"""

from __future__ import annotations

from typing import ClassVar


class AiopsError(Exception):
    """Something went wrong that a person must be told about."""

    code: str = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal error"
    retry: bool = False

    def __init__(self, detail: str, *, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        if code:
            self.code = code


class Refused(AiopsError):
    """The request cannot be served as it stands."""


class Invalid(Refused):
    """The request has fields we cannot take."""

    code = "invalid"
    status = 400
    title = "Invalid request"

    def __init__(self, detail: str, *, errors: dict[str, list[str]] | None = None, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.errors = errors or {}


class Unauthenticated(Refused):
    """Sign in, or send a valid token."""

    code = "not_authenticated"
    status = 401
    title = "Not signed in"


class Forbidden(Refused):
    """Your rights do not cover this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFound(Refused):
    """There is nothing here for you."""

    code = "not_found"
    status = 404
    title = "Not found"


class TooLarge(Refused):
    """The body is larger than this call takes."""

    code = "body_too_large"
    status = 413
    title = "Body too large"


class Conflict(Refused):
    """The state of things does not allow this now."""

    code = "conflict"
    status = 409
    title = "Conflict"


class IdempotencyMismatch(Refused):
    """This Idempotency-Key was used with another body."""

    code = "idempotency_mismatch"
    status = 422
    title = "Idempotency key reused"


class TooMany(Refused):
    """Too many requests; come back later."""

    code = "too_many"
    status = 429
    title = "Too many requests"
    retry = True

    def __init__(self, detail: str, *, retry_after_s: int = 5, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(AiopsError):
    """A part we need is down; try again."""

    code = "unavailable"
    status = 503
    title = "Unavailable"
    retry = True
    retry_after_s = 5


def tells_of_full_disk(error: Exception) -> bool:
    """Return whether a database's error says that its disk is full (SQLite and PostgreSQL each in their words)."""
    return any(words in str(error) for words in ("is full", "No space left"))


class RunFailed(AiopsError):
    """The run ends as failed; ``code`` and ``detail`` are shown to its owner."""

    code = "run_failed"

    def __init__(self, detail: str, *, code: str, retry: bool = False) -> None:
        super().__init__(detail, code=code)
        self.retry = retry
