"""Explains errors of model providers: the cause, in the provider's own words, and the cure."""

from __future__ import annotations

from aiops import certificates
from aiops.errors import RunFailed
from aiops.llm import failures
from aiops.llm.providers import HANDLERS
from aiops.llm.values import ModelSpec


def explain(error: BaseException, spec: ModelSpec) -> RunFailed:
    """Return the error a person sees; it is redacted where it is stored."""
    address = _address(spec)
    who = f"the model {spec.name!r} of {spec.provider}" + (f" at {address}" if address else "")
    said = failures.words(error)
    words = f" It said: {said}" if said else ""
    if failures.is_timeout(error):
        return RunFailed(
            f"There was no answer in time from {who}: try again, or raise AIOPS_MODEL_TIMEOUT_S.",
            code="model_timeout",
            retry=True,
        )
    if failures.is_too_long(error):
        return RunFailed(
            f"The conversation is too long for {who}: begin a new one, or lower AIOPS_CONTEXT_TOKENS.{words}",
            code="model_context_exceeded",
        )
    match failures.status_of(error):
        case 429 if failures.is_out_of_quota(error, spec):
            return RunFailed(
                f"The quota is used up for {who}: raise it at the provider.{words}", code="model_quota_exceeded"
            )
        case 429:
            return RunFailed(
                f"Too many requests for {who}: wait a little, or raise its quota.{words}",
                code="model_rate_limited",
                retry=True,
            )
        case 401 | 403:
            return RunFailed(f"The key was refused by {who}: correct it{_key(spec)}.{words}", code="model_key_refused")
        case 404:
            return RunFailed(
                f"The provider does not know {who}: correct {_name(spec)} or the address.{words}",
                code="model_not_found",
            )
        case int(status) if status >= 500:
            return RunFailed(
                f"An error ({status}) came from {who}: try again, or see that server's log.{words}",
                code="model_error",
                retry=True,
            )
        case int(status):
            return RunFailed(f"The request was refused ({status}) by {who}.{words}", code="model_refused")
    if isinstance(error, failures.EmptyAnswer):
        return RunFailed(
            f"An empty answer came from {who}{f' ({said})' if said else ''}: rephrase the message.",
            code="model_empty",
            retry=True,
        )
    if isinstance(error, failures.ProviderFailed) or failures.is_in_stream(error):
        return RunFailed(
            f"An error came from {who} in the middle of its answer: try again, or see that server's log.{words}",
            code="model_error",
            retry=True,
        )
    if refused := certificates.problem(error):
        return RunFailed(f"There is no secure connection to {who}: {refused}", code="model_certificate")
    if failures.is_unreachable(error):
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


def _address(spec: ModelSpec) -> str:
    """Return the address that somebody configured; the provider's own goes without saying."""
    handler = HANDLERS.get(spec.handler_name)
    if handler is None or not spec.settings.get(handler.address):
        return ""
    try:
        return handler(spec.settings).url()
    except ValueError:
        return ""


def _key(spec: ModelSpec) -> str:
    if spec.secret is not None:
        return f" (the secret {spec.secret.name!r}, which the model's row names)"
    key = HANDLERS[spec.handler_name].key
    if spec.from_row:
        return " (its row names no secret)"
    return f" ({key.name})" if key else ""


def _name(spec: ModelSpec) -> str:
    return "the model's row (its name, or model in its parameters)" if spec.from_row else "LLM_MODEL"
