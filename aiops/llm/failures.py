"""Reads errors of model providers as their client libraries raise them: status, words, whether and when to retry."""

from __future__ import annotations

import email.utils
import json
import math
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any

import httpx
from langchain_core.exceptions import ContextOverflowError, ModelConnectionError

from aiops import certificates, untrusted
from aiops.causes import causes
from aiops.llm.providers import HANDLERS
from aiops.llm.values import ModelSpec

MAX_RETRY_AFTER_S = 300.0
MAX_WORDS = 300
"""Characters of a provider's own words that are shown."""
TIMED_OUT = 408
TOO_MANY = 429
UNAVAILABLE = 503
WITHOUT_TOOLS = re.compile(
    r"(does|do)(n't| not) support (tools|tool use|tool calling|function calling)"
    r"|(tools|tool use|tool calling|function calling) (is|are) not supported|no endpoints found that support tool use"
    r"|requires --jinja|--enable-auto-tool-choice",
    re.IGNORECASE,
)
"""Ollama, vLLM, llama.cpp, OpenRouter (as of 2026-11)."""
TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum context|prompt is too long|too many (input )?tokens"
    r"|exceeds? the available context",
    re.IGNORECASE,
)
LOADING = re.compile(r"loading model|model is (currently )?loading|model .{0,80} is loading", re.IGNORECASE)
"""llama.cpp, Hugging Face (as of 2026-11)."""


class StreamCut(Exception):
    """The provider's stream ended in the middle of an answer."""


class EmptyAnswer(Exception):
    """The provider ended its answer without a word or a tool call; the message is the provider's reason."""


class ProviderFailed(Exception):
    """The provider ended its answer with an error of its own; the message is its word for it."""


BROKEN = (httpx.TransportError, ConnectionError, ssl.SSLError, StreamCut, ModelConnectionError)
"""Errors of a connection that failed or broke, and LangChain's own error for it."""


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that the provider's client reports, or the status in an error within a stream."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int) and status >= 300:  # an error within a stream may carry the 200 that it began with
        return status
    code = _field(getattr(error, "body", None), "code")
    return code if isinstance(code, int) and 400 <= code < 600 else None


def words(error: BaseException) -> str:
    """Return what the provider said, in one bounded line; empty when it said nothing that is text."""
    said = _field(getattr(error, "body", None), "message") or getattr(error, "error", None)
    if not isinstance(said, str) or not said.strip():
        said = str(error) if isinstance(error, ProviderFailed | EmptyAnswer) else getattr(error, "message", "")
    line = " ".join(untrusted.clean(str(said)).split())
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 1] + "…"


def is_unreachable(error: BaseException) -> bool:
    """Return whether the server could not be reached or the connection broke."""
    return any(isinstance(e, BROKEN) or _is_of_transport(e) for e in causes(error))


def _is_of_transport(error: BaseException) -> bool:
    """Return whether it is a TransportError of whichever successor of httpx a client uses."""
    return any(one.__name__ == "TransportError" for one in type(error).__mro__)


def is_timeout(error: BaseException) -> bool:
    """Return whether the provider took too long."""
    return any(
        isinstance(e, TimeoutError) or type(e).__name__ in ("ReadTimeout", "APITimeoutError") for e in causes(error)
    )


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may help: 408, 5xx, an error or broken JSON in a stream, no answer, a broken connection.

    Never a timeout or a refused certificate. ``model_pacing`` has already waited for what ``asks_to_wait``.
    """
    if not isinstance(error, Exception):
        return False  # a cancellation must not be retried
    if asks_to_wait(error):
        return False
    if (status := status_of(error)) is not None:
        return _is_passing(status)
    if isinstance(error, EmptyAnswer | ProviderFailed | json.JSONDecodeError):
        return True
    if certificates.problem(error) is not None:
        return False
    return (is_unreachable(error) or is_in_stream(error)) and not is_timeout(error)


def is_in_stream(error: BaseException) -> bool:
    """Return whether the provider reported the error within a stream that had begun well."""
    status = getattr(error, "status_code", None)
    has_no_status = not isinstance(status, int) or status < 300
    return has_no_status and (isinstance(getattr(error, "body", None), dict | str) or hasattr(error, "error"))


def asks_to_wait(error: BaseException) -> bool:
    """Return whether the provider wants the request later: 429, while it loads its model, or as its Retry-After says.

    Gateways and overloaded servers send Retry-After with any error that passes, such as 504 or 529 (as of 2026-11).
    """
    status = status_of(error)
    if status is None or status == TOO_MANY:
        return status == TOO_MANY
    return _is_passing(status) and (is_loading(error) or _retry_after(error) is not None)


def is_loading(error: BaseException) -> bool:
    """Return whether the server is loading the model: it takes as long as it takes."""
    return status_of(error) == UNAVAILABLE and bool(LOADING.search(words(error)))


def is_without_tools(error: BaseException) -> bool:
    """Return whether the model cannot be given tools."""
    return _is_refusal(error) and bool(WITHOUT_TOOLS.search(words(error)))


def is_too_long(error: BaseException) -> bool:
    """Return whether the request does not fit into the model's context."""
    if any(isinstance(e, ContextOverflowError) for e in causes(error)):
        return True
    return _is_refusal(error) and bool(TOO_LONG.search(words(error)))


def is_out_of_quota(error: BaseException, spec: ModelSpec) -> bool:
    """Return whether the provider's quota is used up: waiting does not help."""
    code = HANDLERS[spec.handler_name].out_of_quota
    return bool(code) and getattr(error, "code", None) == code


def retry_after_s(error: BaseException) -> float:
    """Return how long the provider asks to wait, at most five minutes; 0 when it does not say."""
    return min(max(_retry_after(error) or 0.0, 0.0), MAX_RETRY_AFTER_S)


def _retry_after(error: BaseException) -> float | None:
    headers: Any = next(
        (h for e in causes(error) if (h := getattr(getattr(e, "response", None), "headers", None))), None
    )
    if headers is None:  # each client has a response class of its own, such as httpx2's
        return None
    for name, unit_s in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        said = str(headers.get(name) or "").strip()
        try:
            seconds = float(said) * unit_s
        except ValueError:
            at = email.utils.parsedate_tz(said) if said else None
            if at is None:
                continue
            seconds = email.utils.mktime_tz(at) - time.time()
        if math.isfinite(seconds):
            return seconds
    return None


def _is_passing(status: int) -> bool:
    return status == TIMED_OUT or status >= 500


def _is_refusal(error: BaseException) -> bool:
    status = status_of(error)
    return status in (400, 404, 413, 422, 500, 501) or (status is None and is_in_stream(error))


def _field(body: Any, name: str) -> Any:
    """Return a field of an error's body, which may lie within ``error``."""
    if isinstance(body, str):
        return body if name == "message" else None
    if not isinstance(body, Mapping):
        return None
    inner = body.get("error")
    if isinstance(inner, str) and name == "message":
        return inner
    return (inner if isinstance(inner, Mapping) else body).get(name)
