"""Finds values of the environment that are each valid, and cannot be used together or by what reads them."""

from __future__ import annotations

from urllib.parse import urlsplit

import dj_database_url
import regex
from cryptography.fernet import Fernet

from aiops import certificates
from aiops.llm import providers
from aiops.settings import Settings
from aiops.tool_servers import environment
from aiops.tool_servers.environment import BadToolServer

PROXIES = "FORWARDED_ALLOW_IPS"


def problems(made: Settings, values: dict[str, str]) -> list[str]:
    """Return what is wrong, one sentence each; ``values`` are the variables that references may name."""
    found = []
    try:
        environment.from_environment(made, values)
    except BadToolServer as bad:
        found.append(str(bad))
    found += [
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
        found.append(
            "AIOPS_CHECKPOINTER=postgres stores memory in DATABASE_URL's server, which is not PostgreSQL: "
            "set DATABASE_URL to postgres://…, or choose redis."
        )
    mail = made.mail_url.get_secret_value()
    if mail and not made.mail_from:
        found.append("AIOPS_MAIL_URL is set, but AIOPS_MAIL_FROM is not: set it to the sender's address.")
    if mail.startswith("smtp://") and "@" in mail:
        found.append(
            "AIOPS_MAIL_URL would send its password without TLS: write smtps:// or smtp+starttls:// instead of smtp://."
        )
    if made.heartbeat_s * 2 > made.lease_s:
        found.append(
            f"AIOPS_LEASE_S={made.lease_s:g} is too short for AIOPS_HEARTBEAT_S={made.heartbeat_s:g}: "
            "a lease must outlast two heartbeats; raise the first or lower the second."
        )
    for name, networks in (
        (PROXIES, made.networks_of_proxies),
        ("AIOPS_METRICS_NETWORKS", made.networks_of_metrics),
        ("AIOPS_WEBHOOK_NETWORKS", made.networks_of_webhooks),
        ("AIOPS_LLM_NETWORKS", made.networks_of_models),
    ):
        try:
            networks()
        except ValueError as error:
            found.append(f"{name}: {error}: give addresses or networks, such as 10.0.0.0/8.")
    if made.broker.startswith("amqps://") and "ssl_" in urlsplit(made.broker).query:
        found.append(
            "CELERY_BROKER_URL=(hidden): amqps:// takes no ssl_… parameters: remove them, and put the authority into "
            f"the file that SSL_CERT_FILE names ({certificates.PAGE})."
        )
    if made.ssl_cert_file and (problem := certificates.problem_of_file(made.ssl_cert_file)):
        found.append(f"SSL_CERT_FILE={made.ssl_cert_file} {problem}.")
    key = made.secret_key.get_secret_value()
    if key and len(key) < 50:
        found.append("AIOPS_SECRET_KEY=(hidden): too short; use 50 random characters or more, or remove it.")
    if any(len(previous) < 50 for previous in made.previous_secret_keys()):
        found.append(
            "AIOPS_SECRET_KEY_FALLBACKS=(hidden): a key in it, or in the home's file secret_key_fallbacks, is too "
            "short; give previous keys as they were, with commas between them and 50 characters or more each."
        )
    for number, ring_key in enumerate(made.encryption_key_ring(), 1):
        try:
            Fernet(ring_key)
        except ValueError:
            found.append(
                f"AIOPS_ENCRYPTION_KEYS=(hidden): its key {number} is not 32 bytes in URL-safe Base64: make one with "
                "`openssl rand -base64 32 | tr +/ -_`."
            )
    keys = {one.name: made.of_provider(one.name) for one in providers.variables().values() if one.secret}
    for name, token in (("AIOPS_TOKEN", made.token), ("AIOPS_METRICS_TOKEN", made.metrics_token)):
        keys[name] = token.get_secret_value()
    for name, secret in keys.items():
        if not (secret.isascii() and secret.isprintable()):
            found.append(f"{name}=(hidden) has characters that no header can carry: copy it again.")
    for pattern in made.redact_patterns:
        try:
            regex.compile(pattern)
        except regex.error as error:
            found.append(f"AIOPS_REDACT_PATTERNS: {pattern!r} is not a regular expression ({error}): correct it.")
    return found


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
