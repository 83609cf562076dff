"""Classifies errors of model providers: whether a retry can help, and the error that a person sees."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
from langchain_core.exceptions import ModelConnectionError

from aiops.errors import RunFailed
from aiops.llm.providers import PROVIDERS
from aiops.llm.values import ModelSpec

MAX_RETRY_AFTER_S = 300.0
TOO_MANY = 429


class StreamCut(Exception):
    """The provider's stream ended in the middle of an answer."""


BROKEN = (httpx.TransportError, ConnectionError, ssl.SSLError, StreamCut, ModelConnectionError)
"""Errors of a connection that failed or broke, and LangChain's own error for it."""


class EmptyAnswer(Exception):
    """The provider ended its answer without a word or a tool call."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    for _ in range(8):
        if cause is None:
            return
        yield cause
        cause = cause.__cause__


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status that the provider's client reports."""
    status = getattr(error, "status_code", None)
    return status if isinstance(status, int) and status > 0 else None


def is_unreachable(error: BaseException) -> bool:
    """Return whether the server could not be reached or the connection broke."""
    return any(isinstance(e, BROKEN) for e in _causes(error))


def is_timeout(error: BaseException) -> bool:
    """Return whether the provider took too long."""
    return any(isinstance(e, TimeoutError | httpx.ReadTimeout) for e in _causes(error))


def is_transient(error: BaseException) -> bool:
    """Return whether a retry may help: 408, 5xx, an empty answer or a broken connection; never a timeout.

    ``model_pacing`` has already waited after a 429.
    """
    if not isinstance(error, Exception):
        return False  # a cancellation must not be retried
    if (status := status_of(error)) is not None:
        return status == 408 or status >= 500
    return isinstance(error, EmptyAnswer) or (is_unreachable(error) and not is_timeout(error))


def retry_after_s(error: BaseException) -> float:
    """Return the Retry-After of the provider, at most five minutes; 0 without one."""
    response = getattr(error, "response", None)
    said = response.headers.get("retry-after", "") if isinstance(response, httpx.Response) else ""
    try:
        return min(max(float(said), 0.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return 0.0


def is_out_of_quota(error: BaseException, spec: ModelSpec) -> bool:
    """Return whether the provider's quota is used up: waiting does not help."""
    code = PROVIDERS[spec.provider].out_of_quota
    return bool(code) and getattr(error, "code", None) == code


def explain(error: BaseException, spec: ModelSpec) -> RunFailed:
    """Return the error a person sees: its cause, and the cure."""
    who = f"the model {spec.name!r} of {spec.provider}" + (f" at {spec.base_url}" if spec.base_url else "")
    if is_timeout(error):
        return RunFailed(
            f"There was no answer in time from {who}: try again, or raise AIOPS_MODEL_TIMEOUT_S.",
            code="model_timeout",
            retry=True,
        )
    match status_of(error):
        case 429 if is_out_of_quota(error, spec):
            return RunFailed(f"The quota is used up for {who}: raise it at the provider.", code="model_quota_exceeded")
        case 429:
            return RunFailed(
                f"Too many requests for {who}: wait a little, or raise its quota.",
                code="model_rate_limited",
                retry=True,
            )
        case 401 | 403:
            key = PROVIDERS[spec.provider].key
            return RunFailed(
                f"The key was refused by {who}: correct it{f' ({key.name})' if key else ''}.", code="model_key_refused"
            )
        case 404:
            return RunFailed(
                f"The provider does not know {who}: correct LLM_MODEL or the address.", code="model_not_found"
            )
        case int(status) if status >= 500:
            return RunFailed(
                f"An error ({status}) came from {who}: try again, or see that server's log.",
                code="model_error",
                retry=True,
            )
        case int(status):
            return RunFailed(f"The request was refused ({status}) by {who}.", code="model_refused")
    if isinstance(error, EmptyAnswer):
        return RunFailed(f"An empty answer came from {who}: rephrase the message.", code="model_empty", retry=True)
    if is_unreachable(error):
        return RunFailed(
            f"The connection failed or broke to {who}: see that it runs and can be reached.",
            code="model_unreachable",
            retry=True,
        )
    return RunFailed(
        f"An unreadable answer ({type(error).__name__}) came from {who}: see that it speaks that API.",
        code="model_nonsense",
        retry=True,
    )
