"""What went wrong at a model's provider: whether trying again can help, and what a person is told."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import httpx
from langchain_core.exceptions import ModelConnectionError

from aiops.agent.values import ModelSpec
from aiops.errors import RunFailed

MAX_RETRY_AFTER_S = 300.0
TOO_MANY = 429


class StreamCut(Exception):
    """The provider's stream ended in the middle of an answer."""


BROKEN = (httpx.TransportError, ConnectionError, ssl.SSLError, StreamCut, ModelConnectionError)
"""What a connection raises that cannot be made or broke, and what LangChain takes for one."""


class EmptyAnswer(Exception):
    """The provider ended its answer without a word or a tool call."""


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    for _ in range(8):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


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
    """Return whether the same call may work in a moment: 408, 5xx, or a broken connection; never a timeout.

    A 429 was waited out already (``model_pacing``).
    """
    if not isinstance(error, Exception):
        return False  # a cancellation is obeyed, whatever it interrupted
    status = status_of(error)
    if status is not None:
        return status == 408 or status >= 500
    if isinstance(error, EmptyAnswer):
        return True
    return is_unreachable(error) and not is_timeout(error)


def retry_after_s(error: BaseException) -> float:
    """Return how long the provider asks us to wait, at most five minutes; 0 when it doesn't say."""
    response = getattr(error, "response", None)
    said = response.headers.get("retry-after", "") if isinstance(response, httpx.Response) else ""
    try:
        return min(max(float(said), 0.0), MAX_RETRY_AFTER_S)
    except ValueError:
        return 0.0


def is_out_of_quota(error: BaseException) -> bool:
    """Return whether the provider refuses because nothing is left to spend, as OpenAI says it: waiting won't help."""
    return getattr(error, "code", None) == "insufficient_quota"


def explain(error: BaseException, spec: ModelSpec) -> RunFailed:
    """Return the error a person sees: its cause, and the cure."""
    who = f"the model {spec.name!r} of {spec.provider}" + (f" at {spec.base_url}" if spec.base_url else "")
    status = status_of(error)
    if is_timeout(error):
        return RunFailed(
            f"There was no answer in time from {who}: try again, or raise AIOPS_MODEL_TIMEOUT_S.",
            code="model_timeout",
            retry=True,
        )
    if status == TOO_MANY and is_out_of_quota(error):
        return RunFailed(f"The quota is used up for {who}: raise it at the provider.", code="model_quota_exceeded")
    if status == TOO_MANY:
        return RunFailed(
            f"Too many requests for {who}: wait a little, or raise its quota.", code="model_rate_limited", retry=True
        )
    if status in (401, 403):
        return RunFailed(
            f"The key was refused by {who}: correct it (for openai: OPENAI_API_KEY).", code="model_key_refused"
        )
    if status == 404:
        return RunFailed(f"The provider does not know {who}: correct LLM_MODEL or the address.", code="model_not_found")
    if status is not None and status >= 500:
        return RunFailed(
            f"An error ({status}) came from {who}: try again, or see that server's log.", code="model_error", retry=True
        )
    if status is not None:
        return RunFailed(f"The request was refused ({status}) by {who}.", code="model_refused")
    if isinstance(error, EmptyAnswer):
        return RunFailed(f"An empty answer came from {who}: ask in other words.", code="model_empty", retry=True)
    if is_unreachable(error):
        return RunFailed(
            f"The connection failed or broke to {who}: see that it runs and can be reached.",
            code="model_unreachable",
            retry=True,
        )
    return RunFailed(
        f"An answer we can't read ({type(error).__name__}) came from {who}: see that it speaks that API.",
        code="model_nonsense",
        retry=True,
    )
