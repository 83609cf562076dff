"""Reads the environment once, strictly, into ``aiops.settings``; all problems are reported together, with cures."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from aiops import settings
from aiops.llm import plugins, providers
from aiops.llm.providers import HANDLERS
from aiops.settings import Settings
from config import consistency, envfile

SERVICE_LINK = re.compile(
    r"(AIOPS|FLOWER)(_[A-Z0-9_]+)?_(SERVICE_HOST=[0-9a-f.:]+|SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+|PORT=(tcp|udp|sctp)://.*"
    r"|PORT_[0-9]+_(TCP|UDP|SCTP)(=(tcp|udp|sctp)://.*|_PROTO=(tcp|udp|sctp)|_PORT=[0-9]+|_ADDR=[0-9a-f.:]+))\Z"
)
"""What Kubernetes adds to a container's variables for Services of such names, as AIOPS_PORT=tcp://… for aiops."""
CLIENT_PREFIX = "AIOPS_SECRET_"
"""Prefix of variables with values for headers of tool servers, which refer to them as ``env:NAME``."""
SCHEMES = {
    "DATABASE_URL": ("sqlite://", "postgres://", "postgresql://"),
    "REDIS_URL": ("redis://", "rediss://"),
    "CHECKPOINT_REDIS_URL": ("redis://", "rediss://"),
    "CELERY_BROKER_URL": ("redis://", "rediss://", "amqp://", "amqps://"),
    "AIOPS_PUBLIC_URL": ("http://", "https://"),
    "AIOPS_URL": ("http://", "https://"),
    "VAULT_ADDR": ("http://", "https://"),
    "AIOPS_MAIL_URL": ("smtp://", "smtp+starttls://", "smtps://"),
    **{one.settings[one.address].name: ("http://", "https://") for one in HANDLERS.values() if one.address},
}
NOT_ONE_SERVER = ("sentinel://", "redis+sentinel://", "rediss+sentinel://", "rediscluster://", "redis+cluster://")
REDIS_URLS = ("REDIS_URL", "CHECKPOINT_REDIS_URL", "CELERY_BROKER_URL")


class BadEnvironment(Exception):
    """The environment is not usable; ``problems`` holds one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("aiops cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


def variables() -> dict[str, str]:
    """Return variable → field of ``Settings``."""
    fields = Settings.model_fields.items()
    return {str(field.validation_alias): name for name, field in fields if field.validation_alias}


def read(environ: dict[str, str] | None = None) -> Settings:
    """Return the settings of the environment and ``.env`` (the environment wins); raises BadEnvironment."""
    values = {**_dotenv(), **os.environ} if environ is None else dict(environ)  # a copy: files replace values in it
    known = variables()
    problems: list[str] = []
    _read_files(values, known, problems)
    given: dict[str, Any] = {name: value for name in known if (value := _strip(name, values.get(name, "")))}
    of_providers = {name: value for name in providers.variables() if (value := values.get(name, "").strip())}
    for name in _service_links(values):
        del values[name]
    for name in sorted(values):
        if name.startswith("AIOPS_") and not name.startswith(CLIENT_PREFIX) and name not in known:
            problems.append(f"{name} is not a variable of aiops: remove it, or see docs/settings.md.")
    for name, schemes in SCHEMES.items():
        if name in REDIS_URLS and given.get(name, "").startswith(NOT_ONE_SERVER):
            problems.append(
                f"{name}: Sentinel and Cluster are not supported: give the address of the primary itself, "
                "or of a proxy that follows it (redis:// or rediss://)."
            )
        elif not {**given, **of_providers}.get(name, schemes[0]).startswith(schemes):
            problems.append(f"{name} must begin with {' or '.join(schemes)}: set it to such an address or remove it.")
    try:
        parsed = Settings.model_validate({**given, "providers": of_providers})
    except ValidationError as failure:
        raise BadEnvironment(problems + [_sentence(error) for error in failure.errors()]) from None
    problems += consistency.problems(parsed, values)
    if problems:
        raise BadEnvironment(problems)
    return parsed


def load() -> Settings:
    """Install the settings of this process; exits with a list of problems if they are not usable."""
    forget_service_links()
    try:
        for name, value in _dotenv().items():
            if name.startswith(CLIENT_PREFIX) or name == consistency.PROXIES:
                os.environ.setdefault(name, value)  # references are resolved from there, and uvicorn reads its own
        made = settings.install(read())
    except BadEnvironment as bad:
        raise SystemExit(str(bad)) from None
    export_authorities(made)
    plugins.load(made.plugin_dir)
    return made


def export_authorities(made: Settings) -> None:
    """Let OpenSSL and the HTTP clients, which read the environment alone, see an SSL_CERT_FILE of ``.env``, too."""
    if made.ssl_cert_file:
        os.environ["SSL_CERT_FILE"] = made.ssl_cert_file


def forget_service_links() -> None:
    """Remove what Kubernetes adds for Services: Flower would read FLOWER_PORT as its option."""
    for name in _service_links(os.environ):
        del os.environ[name]


def _service_links(values: Mapping[str, str]) -> list[str]:
    return [name for name, value in values.items() if SERVICE_LINK.match(f"{name}={value}")]


def _dotenv() -> dict[str, str]:
    try:
        return envfile.read()
    except envfile.Unreadable as error:
        raise BadEnvironment(error.problems) from error


def _read_files(values: dict[str, str], known: dict[str, str], problems: list[str]) -> None:
    """Replace ``X_FILE`` by ``X`` with the file's content, for each secret X."""
    is_secret = {name: Settings.model_fields[field].annotation is SecretStr for name, field in known.items()}
    is_secret |= {name: one.secret for name, one in providers.variables().items()}
    for name, secret in is_secret.items():
        path = values.pop(f"{name}_FILE", "")
        if not path:
            continue
        if not secret:
            problems.append(f"{name}_FILE is not a variable of aiops: set {name} itself.")
            continue
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            problems.append(f"{name}_FILE={path} cannot be read ({error.strerror}): correct the path or its rights.")
        except UnicodeDecodeError:
            problems.append(f"{name}_FILE={path} cannot be read (it is not UTF-8): correct the path.")


def _strip(name: str, value: str) -> str:
    """Strip space, which files and shells add; but a path may contain it."""
    return value if name == "AIOPS_HOME" else value.strip()


def _sentence(error: Any) -> str:
    name = str(error["loc"][0]) if error["loc"] else "environment"
    field = Settings.model_fields.get(variables().get(name, ""))
    secret = field is not None and field.annotation is SecretStr
    shown = "(hidden)" if secret else repr(error["input"])[:80]
    meaning = field.description if field else ""
    return f"{name}={shown}: {error['msg']}. It sets: {meaning}."
