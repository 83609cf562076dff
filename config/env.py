"""Reads the environment once, strictly, into ``aiops.settings``; all problems are reported together, with cures."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
import regex
from pydantic import SecretStr, ValidationError

from aiops import certificates, settings
from aiops.llm import providers
from aiops.llm.providers import PROVIDERS
from aiops.settings import Settings
from aiops.tool_servers import environment
from aiops.tool_servers.environment import BadToolServer
from config import envfile

SERVICE_LINK = re.compile(
    r"(AIOPS|FLOWER)(_[A-Z0-9_]+)?_(SERVICE_HOST=[0-9a-f.:]+|SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]+|PORT=(tcp|udp|sctp)://.*"
    r"|PORT_[0-9]+_(TCP|UDP|SCTP)(=(tcp|udp|sctp)://.*|_PROTO=(tcp|udp|sctp)|_PORT=[0-9]+|_ADDR=[0-9a-f.:]+))\Z"
)
"""What Kubernetes adds to a container's variables for Services of such names, as AIOPS_PORT=tcp://… for aiops."""
CLIENT_PREFIX = "AIOPS_SECRET_"
"""Prefix of variables with values for headers of tool servers, which refer to them as ``env:NAME``."""
PROXIES = "FORWARDED_ALLOW_IPS"
SCHEMES = {
    "DATABASE_URL": ("sqlite://", "postgres://", "postgresql://"),
    "REDIS_URL": ("redis://", "rediss://"),
    "CHECKPOINT_REDIS_URL": ("redis://", "rediss://"),
    "CELERY_BROKER_URL": ("redis://", "rediss://", "amqp://", "amqps://"),
    "AIOPS_PUBLIC_URL": ("http://", "https://"),
    "AIOPS_URL": ("http://", "https://"),
    "AIOPS_MAIL_URL": ("smtp://", "smtp+starttls://", "smtps://"),
    **{one.url.name: ("http://", "https://") for one in PROVIDERS.values() if one.url},
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
    problems += _contradictions(parsed, values)
    if problems:
        raise BadEnvironment(problems)
    return parsed


def load() -> Settings:
    """Install the settings of this process; exits with a list of problems if they are not usable."""
    forget_service_links()
    try:
        for name, value in _dotenv().items():
            if name.startswith(CLIENT_PREFIX) or name == PROXIES:
                os.environ.setdefault(name, value)  # references are resolved from there, and uvicorn reads its own
        made = settings.install(read())
    except BadEnvironment as bad:
        raise SystemExit(str(bad)) from None
    export_authorities(made)
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


def _is_readable(url: str) -> bool:
    """Return whether an address of a server has the parts that it seems to have."""
    try:
        if url.startswith("postgres"):
            dj_database_url.parse(url)
        parts = urlsplit(url)
        has_host = parts.port is None or parts.hostname is not None
    except ValueError:
        return False
    return has_host and (parts.scheme == "sqlite" or "@" not in f"{parts.path}{parts.query}{parts.fragment}")


def _contradictions(made: Settings, values: dict[str, str]) -> list[str]:
    problems = []
    try:
        environment.from_environment(made, values)
    except BadToolServer as bad:
        problems.append(str(bad))
    problems += [
        f"{name}=(hidden) cannot be read: in its user name and password, write characters such as / # ? @ : % "
        "as %2F %23 %3F %40 %3A %25."
        for name, url in (
            ("DATABASE_URL", made.database_url),
            ("REDIS_URL", made.redis_url),
            ("CHECKPOINT_REDIS_URL", made.checkpoint_redis_url),
            ("CELERY_BROKER_URL", made.broker_url),
            ("AIOPS_MAIL_URL", made.mail_url),
        )
        if not _is_readable(url.get_secret_value())
    ]
    if made.checkpointer == "postgres" and not made.database_url.get_secret_value().startswith("postgres"):
        problems.append(
            "AIOPS_CHECKPOINTER=postgres stores memory in DATABASE_URL's server, which is not PostgreSQL: "
            "set DATABASE_URL to postgres://…, or choose redis."
        )
    mail = made.mail_url.get_secret_value()
    if mail and not made.mail_from:
        problems.append("AIOPS_MAIL_URL is set, but AIOPS_MAIL_FROM is not: set it to the sender's address.")
    if mail.startswith("smtp://") and "@" in mail:
        problems.append(
            "AIOPS_MAIL_URL would send its password without TLS: write smtps:// or smtp+starttls:// instead of smtp://."
        )
    if made.heartbeat_s * 2 > made.lease_s:
        problems.append(
            f"AIOPS_LEASE_S={made.lease_s:g} is too short for AIOPS_HEARTBEAT_S={made.heartbeat_s:g}: "
            "a lease must outlast two heartbeats; raise the first or lower the second."
        )
    for name, networks in (
        (PROXIES, made.networks_of_proxies),
        ("AIOPS_METRICS_NETWORKS", made.networks_of_metrics),
        ("AIOPS_WEBHOOK_NETWORKS", made.networks_of_webhooks),
    ):
        try:
            networks()
        except ValueError as error:
            problems.append(f"{name}: {error}: give addresses or networks, such as 10.0.0.0/8.")
    if made.broker.startswith("amqps://") and "ssl_" in urlsplit(made.broker).query:
        problems.append(
            "CELERY_BROKER_URL=(hidden): amqps:// takes no ssl_… parameters: remove them, and put the authority into "
            f"the file that SSL_CERT_FILE names ({certificates.PAGE})."
        )
    if made.ssl_cert_file and (problem := certificates.problem_of_file(made.ssl_cert_file)):
        problems.append(f"SSL_CERT_FILE={made.ssl_cert_file} {problem}.")
    key = made.secret_key.get_secret_value()
    if key and len(key) < 50:
        problems.append("AIOPS_SECRET_KEY=(hidden): too short; use 50 random characters or more, or remove it.")
    if any(len(previous) < 50 for previous in made.previous_secret_keys()):
        problems.append(
            "AIOPS_SECRET_KEY_FALLBACKS=(hidden): a key in it, or in the home's file secret_key_fallbacks, is too "
            "short; give previous keys as they were, with commas between them and 50 characters or more each."
        )
    keys = {one.name: made.of_provider(one.name) for one in providers.variables().values() if one.secret}
    for name, token in (("AIOPS_TOKEN", made.token), ("AIOPS_METRICS_TOKEN", made.metrics_token)):
        keys[name] = token.get_secret_value()
    for name, secret in keys.items():
        if not (secret.isascii() and secret.isprintable()):
            problems.append(f"{name}=(hidden) has characters that no header can carry: copy it again.")
    for pattern in made.redact_patterns:
        try:
            regex.compile(pattern)
        except regex.error as error:
            problems.append(f"AIOPS_REDACT_PATTERNS: {pattern!r} is not a regular expression ({error}): correct it.")
    return problems
