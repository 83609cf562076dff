"""The error tree; each error has a stable code, an HTTP status, and says whether a retry can help.

AiopsError
├── Refused              the request cannot be served as it stands
│   ├── Invalid          400, with reasons per field
│   ├── Unauthenticated  401
│   ├── Forbidden        403
│   ├── NotFound         404, also for objects of other users
│   ├── Conflict         409
│   ├── TooLarge         413
│   ├── IdempotencyMismatch  422
│   └── TooMany          429, with Retry-After
├── Unavailable          503, a server that is needed is down
└── RunFailed            the run ends as failed with this code
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args


class AiopsError(Exception):
    """An error with a text for people; the base of all others."""

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
    """Fields of the request are missing or wrong."""

    code = "invalid"
    status = 400
    title = "Invalid request"

    def __init__(self, detail: str, *, errors: dict[str, list[str]] | None = None, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.errors = errors or {}


class Unauthenticated(Refused):
    """The caller is not signed in and sent no valid token."""

    code = "not_authenticated"
    status = 401
    title = "Not signed in"


class Forbidden(Refused):
    """The caller has no permission for this."""

    code = "forbidden"
    status = 403
    title = "Not allowed"


class NotFound(Refused):
    """The object does not exist, or belongs to another user."""

    code = "not_found"
    status = 404
    title = "Not found"


class TooLarge(Refused):
    """The body is larger than this endpoint accepts."""

    code = "body_too_large"
    status = 413
    title = "Body too large"


class Conflict(Refused):
    """The object's state does not allow this."""

    code = "conflict"
    status = 409
    title = "Conflict"


class IdempotencyMismatch(Refused):
    """The Idempotency-Key was used before with another body."""

    code = "idempotency_mismatch"
    status = 422
    title = "Idempotency key reused"


class TooMany(Refused):
    """The caller sent too many requests."""

    code = "too_many"
    status = 429
    title = "Too many requests"
    retry = True

    def __init__(self, detail: str, *, retry_after_s: int = 5, code: str | None = None) -> None:
        super().__init__(detail, code=code)
        self.retry_after_s = retry_after_s


class Unavailable(AiopsError):
    """A server that is needed is down; a retry can help."""

    code = "unavailable"
    status = 503
    title = "Unavailable"
    retry = True
    retry_after_s = 5


BUSY = "The database is busy with other writes: try again in a moment."
DATABASE_PROBLEMS = {
    "disk I/O error": "The disk of the database fails: see the system's log.",
    "unable to open database file": (
        "The database file cannot be opened: put it back where it was, or correct its rights."
    ),
    " is locked": BUSY,
    "locking protocol": BUSY,  # SQLite, when many connections open the file at once
    "lock timeout": BUSY,  # PostgreSQL
}
"""Text in a database error → its cause and cure."""


def is_disk_full(error: Exception) -> bool:
    """Return whether a database error reports a full disk, in SQLite's words or PostgreSQL's.

    SQLite that cannot create its -shm file on a full tmpfs reports an I/O error; only its error name tells the cause.
    """
    name = getattr(error.__cause__ or error, "sqlite_errorname", "")
    return name == "SQLITE_IOERR_SHMSIZE" or any(words in str(error) for words in ("is full", "No space left"))


def database_problem(error: Exception) -> str:
    """Return the cause of a database error, if known, and its cure, in one sentence."""
    if is_disk_full(error):
        return "The disk of the database is full: make room."
    known = (problem for words, problem in DATABASE_PROBLEMS.items() if words in str(error))
    return next(known, "The database does not answer: try again.")


RunCode = Literal[
    "tool_server_missing",
    "model_certificate",
    "model_unreachable",
    "model_timeout",
    "model_rate_limited",
    "model_busy",
    "model_quota_exceeded",
    "model_error",
    "model_empty",
    "model_cut",
    "model_filtered",
    "model_context_exceeded",
    "answer_invalid",
    "model_nonsense",
    "model_key_refused",
    "model_not_found",
    "model_refused",
    "unknown_provider",
    "bad_model",
    "provider_missing",
    "secret_unread",
    "middleware_failed",
    "input_refused",
    "no_default_model",
    "invalid",
    "too_many_model_calls",
    "too_many_tool_calls",
    "not_resumable",
    "deadline_exceeded",
    "poisoned",
    "run_failed",
    "internal_error",
]
"""Codes of failed runs; a middleware of an installed package may use others."""
RUN_CODES: tuple[str, ...] = get_args(RunCode)


class RunFailed(AiopsError):
    """The run ends as failed; ``code`` and ``detail`` are shown to its owner."""

    code = "run_failed"

    def __init__(self, detail: str, *, code: RunCode, retry: bool = False) -> None:
        super().__init__(detail, code=code)
        self.retry = retry
