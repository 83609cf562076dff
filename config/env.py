"""Reads the environment once, strictly, and installs it as ``aiops.settings``; every problem is named with its cure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import regex
from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from aiops import settings
from aiops.registry import environment
from aiops.registry.environment import BadToolServer
from aiops.settings import Settings

CLIENT_PREFIX = "AIOPS_SECRET_"
"""Variables under this prefix hold values that headers of tool servers refer to as ``env:NAME``."""
SCHEMES = {
    "DATABASE_URL": ("sqlite://", "postgres://", "postgresql://"),
    "REDIS_URL": ("redis://", "rediss://"),
    "CHECKPOINT_REDIS_URL": ("redis://", "rediss://"),
    "CELERY_BROKER_URL": ("redis://", "rediss://", "amqp://", "amqps://"),
    "OPENAI_BASE_URL": ("http://", "https://"),
    "OLLAMA_BASE_URL": ("http://", "https://"),
    "AIOPS_PUBLIC_URL": ("http://", "https://"),
    "AIOPS_URL": ("http://", "https://"),
}


NOT_ONE_SERVER = ("sentinel://", "redis+sentinel://", "rediss+sentinel://", "rediscluster://", "redis+cluster://")
REDIS_URLS = ("REDIS_URL", "CHECKPOINT_REDIS_URL", "CELERY_BROKER_URL")


class BadEnvironment(Exception):
    """The environment has values we cannot start with; ``problems`` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def variables() -> dict[str, str]:
    """Return the name of every variable with the name of its field."""
    return {str(field.validation_alias): name for name, field in Settings.model_fields.items()}


def read(environ: dict[str, str] | None = None) -> Settings:
    """Return settings from the environment and ``.env`` (the environment wins); raises BadEnvironment."""
    values = {**_dotenv(), **os.environ} if environ is None else dict(environ)
    known = variables()
    problems: list[str] = []
    _read_files(values, known, problems)
    taken: dict[str, Any] = {name: values[name] for name in known if values.get(name, "") != ""}
    for name in sorted(values):
        if name.startswith("AIOPS_") and not name.startswith(CLIENT_PREFIX) and name not in known:
            problems.append(f"{name} is not a variable of this program: remove it, or see the table in the README.")
    for name, schemes in SCHEMES.items():
        if name in REDIS_URLS and taken.get(name, "").startswith(NOT_ONE_SERVER):
            problems.append(
                f"{name}: Sentinel and Cluster are not supported: give the address of the primary itself, "
                "or of a proxy that follows it (redis:// or rediss://)."
            )
        elif name in taken and not taken[name].startswith(schemes):
            problems.append(f"{name} must begin with {' or '.join(schemes)}: set it to such an address or remove it.")
    try:
        made = Settings.model_validate(taken)
    except ValidationError as failure:
        raise BadEnvironment(problems + [_sentence(error) for error in failure.errors()]) from None
    problems += _contradictions(made, values)
    if problems:
        raise BadEnvironment(problems)
    return made


def load() -> Settings:
    """Install the settings of this process; ends it with a list of sentences when they are unusable."""
    for name, value in _dotenv().items():
        if name.startswith(CLIENT_PREFIX):
            os.environ.setdefault(name, value)  # where references are resolved
    try:
        return settings.install(read())
    except BadEnvironment as bad:
        raise SystemExit("aiops cannot start:\n" + "\n".join(f"  - {problem}" for problem in bad.problems)) from None


def _dotenv() -> dict[str, str]:
    path = Path(".env")
    return {key: value or "" for key, value in dotenv_values(path).items()} if path.is_file() else {}


def _read_files(values: dict[str, str], known: dict[str, str], problems: list[str]) -> None:
    """Replace ``X_FILE`` by ``X`` with the file's content, for every secret X."""
    for name, field in known.items():
        path = values.pop(f"{name}_FILE", "")
        if not path:
            continue
        if not isinstance(Settings.model_fields[field].annotation, type) or (
            Settings.model_fields[field].annotation is not SecretStr
        ):
            problems.append(f"{name}_FILE is not a variable of this program: set {name} itself.")
            continue
        try:
            values[name] = Path(path).read_text().strip()
        except OSError as error:
            problems.append(f"{name}_FILE={path} cannot be read ({error.strerror}): correct the path or its rights.")


def _sentence(error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else "environment"
    field = Settings.model_fields.get(variables().get(name, ""))
    secret = field is not None and field.annotation is SecretStr
    shown = "(hidden)" if secret else repr(error["input"])[:80]
    meaning = field.description if field else ""
    return f"{name}={shown}: {error['msg']}. It is: {meaning}."


def _contradictions(made: Settings, values: dict[str, str]) -> list[str]:
    problems = []
    try:
        environment.from_environment(made, values)
    except BadToolServer as bad:
        problems.append(str(bad))
    if made.checkpointer == "postgres" and not made.database_url.get_secret_value().startswith("postgres"):
        problems.append(
            "AIOPS_CHECKPOINTER=postgres keeps memory in DATABASE_URL's server, which is not PostgreSQL: "
            "set DATABASE_URL to postgres://…, or choose redis."
        )
    if made.heartbeat_s * 2 > made.lease_s:
        problems.append(
            f"AIOPS_LEASE_S={made.lease_s:g} is too short for AIOPS_HEARTBEAT_S={made.heartbeat_s:g}: "
            "a lease must outlast two heartbeats; raise the first or lower the second."
        )
    for name, networks in (
        ("AIOPS_METRICS_NETWORKS", made.networks_of_metrics),
        ("AIOPS_WEBHOOK_NETWORKS", made.networks_of_webhooks),
    ):
        try:
            networks()
        except ValueError as error:
            problems.append(f"{name}: {error}: give addresses or networks, such as 10.0.0.0/8.")
    key = made.secret_key.get_secret_value()
    if key and len(key) < 50:
        problems.append("AIOPS_SECRET_KEY=(hidden): too short; use 50 random characters or more, or remove it.")
    for name, secret in (
        ("OPENAI_API_KEY", made.openai_api_key),
        ("AIOPS_TOKEN", made.token),
        ("AIOPS_METRICS_TOKEN", made.metrics_token),
    ):
        if not secret.get_secret_value().isascii():
            problems.append(f"{name}=(hidden) has characters that no header can carry: copy it again.")
    for pattern in made.redact_patterns:
        try:
            regex.compile(pattern)
        except regex.error as error:
            problems.append(f"AIOPS_REDACT_PATTERNS: {pattern!r} is no regular expression ({error}): correct it.")
    return problems
