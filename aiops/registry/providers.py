"""Whether the providers of the configured models can be reached."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
from django.db.models import Case, F, Value, When
from django.db.models.functions import Now

from aiops import log
from aiops.agent.values import ModelSpec
from aiops.errors import Conflict
from aiops.registry import language_models
from aiops.registry.models import ProviderHealth
from aiops.settings import Settings

TIMEOUT_S = 5.0
EVERY = timedelta(seconds=50)
BASE = {"openai": "https://api.openai.com/v1", "ollama": "http://127.0.0.1:11434"}
LIST = {"openai": "/models", "ollama": "/api/tags"}
"""What each answers without a model's work."""

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Reached:
    """How asking one provider went; ``cure`` is empty when it is well."""

    ok: bool
    detail: str
    cure: str = ""


def ask(spec: ModelSpec) -> Reached:
    """Ask a model's provider for its models."""
    base = spec.base_url or BASE[spec.provider]
    headers = {"Authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
    where = f"{spec.name} ({spec.provider}) at {_shown(base)}"
    try:
        answer = httpx.get(base.rstrip("/") + LIST[spec.provider], headers=headers, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        return Reached(False, f"{where}: {error}", "See that its server runs and can be reached from here.")
    except (httpx.InvalidURL, ValueError) as error:
        return Reached(False, f"{where}: {error}", f"Correct {spec.provider.upper()}_BASE_URL.")
    seen = f"{where} answered {answer.status_code}"
    if answer.status_code in (401, 403):
        return Reached(False, seen, "Correct the key (OPENAI_API_KEY).")
    return Reached(answer.is_success, seen, "" if answer.is_success else "See that the address is right.")


def _shown(base: str) -> str:
    """Return an address without a password or a key in it."""
    return re.sub(r"//[^/@]*@", "//", base).partition("?")[0]


def look(settings: Settings, *, redact: Callable[[str], str]) -> dict[str, int]:
    """Ask every configured provider that was not asked lately; return counts. ``redact`` hides secrets in the rows."""
    try:
        specs = {one.provider: one for one in reversed(language_models.configured(settings))}
    except Conflict:
        specs = {}
    specs.pop(language_models.OFFLINE, None)
    ProviderHealth.objects.exclude(provider__in=specs).delete()
    fresh = set(
        ProviderHealth.objects.filter(checked_at__gt=Now() - EVERY, checked_at__lte=Now()).values_list(
            "provider", flat=True
        )
    )
    reached = {name: ask(spec) for name, spec in specs.items() if name not in fresh}
    for name, one in reached.items():
        _note(name, one, redact)
    return {
        "providers_checked": len(reached),
        "providers_unreachable": sum(not one.ok for one in reached.values()),
    }


def _note(provider: str, reached: Reached, redact: Callable[[str], str]) -> None:
    detail = redact(" ".join(f"{reached.detail}. {reached.cure}".split()))[:300]
    since = Case(When(reachable=reached.ok, then=F("since")), default=Now())
    before = ProviderHealth.objects.filter(provider=provider)
    was = before.values_list("reachable", flat=True).first()
    if was is None:
        new = {"checked_at": Now(), "since": Now()}
        ProviderHealth.objects.update_or_create(
            provider=provider, defaults={"reachable": reached.ok, "detail": detail, **new}
        )
    else:
        before.update(since=since, reachable=Value(reached.ok), detail=detail, checked_at=Now())
    if was is not None and was != reached.ok:
        logger.warning("provider.changed", provider=provider, reachable=reached.ok, detail=detail)
