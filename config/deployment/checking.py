"""What is wrong or missing in the variables of an installation, in sentences without values."""

from __future__ import annotations

import os
import re

from config import env, envfile
from config.env import BadEnvironment

COMPOSED = ("POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "REDIS_PASSWORD")
"""Passwords that docker-compose.yml writes into addresses as they are."""
NEEDED = {
    "AIOPS_SECRET_KEY": "50 random characters or more, the same for all processes",
    "AIOPS_PUBLIC_URL": "the address that people open, such as https://aiops.example.org",
}
NEEDED_APART = {
    "DATABASE_URL": "postgres://…, the same for all processes",
    "REDIS_URL": "redis://… or rediss://…, the same for all processes",
}
"""What docker-compose.yml makes of the passwords."""
SHOWN = re.compile(r"\b([A-Z][A-Z0-9_]+)=(?:\(hidden\)|'[^']*'|\"[^\"]*\"|\S+)")
"""A value beside its name, as the sentences of a start show it."""
CURE = "make one with `openssl rand -hex 24`"


def problems(data: bytes | None) -> list[str]:
    """Return one sentence for each problem of a file's content, or of this process's environment (None)."""
    if data is None:
        return _of_values(dict(os.environ))
    values, unreadable = envfile.parse(data)
    return unreadable + (_of_values(values) if values or not unreadable else [])


def _of_values(values: dict[str, str]) -> list[str]:
    composed = any(name in values for name in COMPOSED)
    given = {name for name, value in values.items() if value.strip()}
    needed = NEEDED if composed else {**NEEDED, **NEEDED_APART}
    found = [
        f"{name} is missing: {meaning}."
        for name, meaning in needed.items()
        if name not in given and f"{name}_FILE" not in given
    ]
    found += [f"{name} is missing: {CURE}." for name in COMPOSED if composed and name not in given]
    found += [
        f"{name} has characters that addresses do not take as they are: use letters, digits, - _ . and ~ only; {CURE}."
        for name in COMPOSED
        if not re.fullmatch(r"[A-Za-z0-9._~-]*", values.get(name, ""))
    ]
    flower = values.get("FLOWER_BASIC_AUTH", "")
    if flower and not all(part.strip() for part in flower.partition(":")[::2]):
        found.append("FLOWER_BASIC_AUTH must be user:password.")
    try:
        env.read(values)
    except BadEnvironment as bad:
        found += [SHOWN.sub(r"\1", problem) for problem in bad.problems]
    return found
