"""Checks whether the providers of the configured models can be reached, and records the outcome."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import httpx
from django.db.models.functions import Now

from aiops import certificates, log, lookups, net
from aiops.llm import snapshot
from aiops.llm.handler import BaseLLMProviderHandler, Health
from aiops.llm.models import ProviderHealth
from aiops.llm.providers import HANDLERS
from aiops.llm.values import ADDRESS_CURE, ModelSpec
from aiops.secrets.resolving import Unresolved, resolve
from aiops.settings import Settings

TIMEOUT_S = 5.0
"""For the whole check of one provider."""
AT_ONCE = 16
"""Providers that are checked at the same time: a few that are down must not make the others wait."""
EVERY = timedelta(seconds=50)
"""Less than the minute between two runs of the health job, so that none of them skips a provider."""

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Reached:
    """Outcome of one check; ``cure`` is empty when the provider is well."""

    ok: bool
    detail: str
    cure: str = ""


def check(spec: ModelSpec, settings: Settings) -> Reached:
    """Check a provider with a request that runs no model."""
    handler = HANDLERS[spec.handler_name]
    who = f"{spec.name} ({spec.provider})"
    try:
        key = resolve(spec.secret, settings) if spec.secret is not None else spec.api_key
        asked, base = _request(spec, key)
    except (Unresolved, ValueError) as error:
        return Reached(False, f"{who}: {error}", "Correct it.")
    if asked is None:
        return Reached(True, f"{who} is not checked")
    shown = re.sub(r"//[^/@]*@", "//", base).partition("?")[0]  # without a password or a key
    where = f"{who} at {shown}"
    try:
        if spec.from_row:
            _check_address(base, settings)
        status = net.get(asked.url, headers=asked.headers, total_s=TIMEOUT_S).status
    except (httpx.HTTPError, TimeoutError) as error:
        if refused := certificates.problem(error):
            return Reached(False, f"{where}: {refused.what}", f"{refused.cure}.")
        return Reached(False, f"{where}: {error}", "See that its server runs and can be reached from here.")
    except (httpx.InvalidURL, ValueError) as error:
        return Reached(False, f"{where}: {error}", f"Correct {_address(spec, handler)}.")
    seen = f"{where} answered {status}"
    if status in (401, 403):
        return Reached(False, seen, f"Correct the key{_key(spec, handler)}.")
    ok = httpx.codes.is_success(status)
    return Reached(ok, seen, "" if ok else "See that the address is right.")


def check_all(settings: Settings, *, redact: Callable[[str], str]) -> dict[str, int]:
    """Check every configured provider that has no recent check; return counts. ``redact`` hides secrets in the rows."""
    specs = {one.provider: one for one in reversed(snapshot.current(settings).specs) if _is_checked(one)}
    ProviderHealth.objects.exclude(provider__in=specs).delete()
    # A check in the future means that the clock was set back: it is not recent.
    recent = ProviderHealth.objects.filter(checked_at__gt=Now() - EVERY, checked_at__lte=Now())
    fresh = set(recent.values_list("provider", flat=True))
    due = {name: spec for name, spec in specs.items() if name not in fresh}
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="providers") as threads:  # which use no database
        reached = dict(zip(due, threads.map(partial(_check_safely, settings=settings), due.values()), strict=True))
    for name, one in reached.items():
        _record(name, one, redact)
    return {
        "providers_checked": len(reached),
        "providers_unreachable": sum(not one.ok for one in reached.values()),
    }


def _check_address(url: str, settings: Settings) -> None:
    """Raise BadAddress, a ValueError, for a name that leads where no provider of the tables may be."""
    with contextlib.suppress(OSError):  # the request itself says what is wrong then
        lookups.run(net.resolve(url, allowed=settings.networks_of_models(), cure=ADDRESS_CURE, timeout_s=TIMEOUT_S))


def _request(spec: ModelSpec, key: str) -> tuple[Health | None, str]:
    handler = HANDLERS[spec.handler_name](spec.settings)
    return handler.health(key), handler.url()


def _is_checked(spec: ModelSpec) -> bool:
    handler = HANDLERS.get(spec.handler_name)
    return handler is not None and handler.health is not BaseLLMProviderHandler.health


def _address(spec: ModelSpec, handler: type[BaseLLMProviderHandler]) -> str:
    variable = handler.settings.get(handler.address)
    return "its address" if spec.from_row or variable is None else variable.name


def _key(spec: ModelSpec, handler: type[BaseLLMProviderHandler]) -> str:
    if spec.secret is not None:
        return f" (the secret {spec.secret.name})"
    return f" ({handler.key.name})" if handler.key and not spec.from_row else ""


def _check_safely(spec: ModelSpec, settings: Settings) -> Reached:
    try:
        return check(spec, settings)
    except Exception as error:  # such as a bad certificate file: it must not keep others from being checked
        logger.exception("provider.not_checked", provider=spec.provider)
        return Reached(False, f"{spec.name} ({spec.provider}) cannot be checked: {type(error).__name__}: {error}")


def _record(provider: str, reached: Reached, redact: Callable[[str], str]) -> None:
    before = ProviderHealth.objects.filter(provider=provider).first()
    after = ProviderHealth(
        provider=provider,
        reachable=reached.ok,
        detail=redact(" ".join(f"{reached.detail}. {reached.cure}".split()))[:300],
        checked_at=Now(),
        since=before.since if before and before.reachable == reached.ok else Now(),
    )
    # One upsert, because another worker may check the same provider at the same time.
    ProviderHealth.objects.bulk_create(
        [after],
        update_conflicts=True,
        unique_fields=["provider"],
        update_fields=["reachable", "detail", "checked_at", "since"],
    )
    if before is not None and before.reachable != reached.ok:
        logger.warning("provider.changed", provider=provider, reachable=reached.ok, detail=after.detail)
