"""Checks, in a worker, whether secrets can be read; and the secrets of the database as values."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from aiops.secrets.models import Secret
from aiops.secrets.resolving import Unresolved, resolve
from aiops.secrets.values import SecretSpec
from aiops.settings import Settings

DELETED = "The secret was deleted meanwhile."


def spec_of(secret: Secret) -> SecretSpec:
    """Return the row's value."""
    return SecretSpec(secret.name, secret.kind, secret.reference, secret.encrypted)


def by_name(name: str, settings: Settings) -> str:
    """Return the value of the secret of a name; raises Unresolved."""
    secret = Secret.objects.filter(name=name).first()
    if secret is None:
        raise Unresolved(f"There is no secret {name!r}: create it, or correct the name.")
    return resolve(spec_of(secret), settings)


def check(arguments: dict[str, Any], settings: Settings) -> Coroutine[Any, Any, dict[str, Any]]:
    """Try to read a secret (a trial): ``arguments`` are {secret (id)}; {resolves, problem}."""
    secret = Secret.objects.filter(pk=arguments["secret"]).first()
    return _check(spec_of(secret) if secret is not None else None, settings)


async def _check(secret: SecretSpec | None, settings: Settings) -> dict[str, Any]:
    if secret is None:
        return {"resolves": False, "problem": DELETED}
    try:
        await asyncio.to_thread(resolve, secret, settings)
    except Unresolved as problem:
        return {"resolves": False, "problem": str(problem)}
    return {"resolves": True, "problem": ""}
