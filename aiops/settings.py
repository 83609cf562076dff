"""The frozen settings of one process; ``config/env.py`` reads the environment and installs them once.

More than 250 lines: it is the one list of all settings.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Retained = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,39}(\.[a-z][a-z_]{0,39})?$")]
"""A kind of object, or a kind in one state; the installed features declare them."""


def _env(name: str, default: Any, description: str, **extra: Any) -> Any:
    return Field(default, validation_alias=name, description=description, **extra)


class Settings(BaseModel):
    """Every value that an operator can set, under the name of its environment variable."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, validate_default=True)

    home: Path = _env("AIOPS_HOME", Path(".aiops"), "directory for everything aiops writes: database, logs, secrets")
    environment: Literal["LAB", "NONPROD", "PROD"] = _env(
        "AIOPS_ENVIRONMENT", "LAB", "LAB configures models by variables; NONPROD and PROD only by database tables"
    )
    secret_key: SecretStr = _env(
        "AIOPS_SECRET_KEY", "", "key that signs sessions and webhooks, 50 characters or more; `aiops up` makes one"
    )
    secret_key_fallbacks: SecretStr = _env(
        "AIOPS_SECRET_KEY_FALLBACKS", "", "previous secret keys that stay valid during a rotation, comma-separated"
    )
    encryption_keys: SecretStr = _env(
        "AIOPS_ENCRYPTION_KEYS",
        "",
        "keys that encrypt stored secrets, comma-separated: the first encrypts, all decrypt; `aiops up` makes one",
    )
    secrets_dir: str = _env("AIOPS_SECRETS_DIR", "", "folder of the files that secrets of kind file name")
    vault_addr: str = _env("VAULT_ADDR", "", "HashiCorp Vault of secrets of kind vault, such as https://vault:8200")
    vault_token: SecretStr = _env("VAULT_TOKEN", "", "Vault: the workers' token; or use an AppRole")
    vault_role_id: str = _env("VAULT_ROLE_ID", "", "Vault: role id of the workers' AppRole")
    vault_secret_id: SecretStr = _env("VAULT_SECRET_ID", "", "Vault: secret id of that AppRole")
    public_url: str = _env("AIOPS_PUBLIC_URL", "", "URL that users open, such as https://aiops.example.org")
    allowed_hosts: str = _env(
        "AIOPS_ALLOWED_HOSTS", "", "additional host names and addresses that the server answers to, comma-separated"
    )
    forwarded_allow_ips: str = _env(
        "FORWARDED_ALLOW_IPS",
        "127.0.0.1",
        "addresses and networks of your TLS proxy as the web sees them, comma-separated: only their X-Forwarded-… are "
        "believed (docs/operations/proxies.md); in docker-compose.yml the default is the gateway of its network",
    )
    url: str = _env("AIOPS_URL", "", "server used by client commands; default: the one recorded in `AIOPS_HOME`")
    token: SecretStr = _env("AIOPS_TOKEN", "", "API token used by client commands; default: the one of `AIOPS_HOME`")
    checkpointer: Literal["redis", "postgres", "memory"] = _env(
        "AIOPS_CHECKPOINTER",
        "redis",
        "where agent memory is stored: redis, postgres (the server of DATABASE_URL), or memory (in the "
        "process; for tests)",
    )
    tool_servers: Json[dict[str, dict[str, Any]]] = _env(
        "AIOPS_TOOL_SERVERS",
        "{}",
        'LAB only: MCP servers without a database row, as JSON: {"name": {"url": …, "headers": …} or '
        '{"command": …, "args": […], "env": …}}',
    )
    host_logs: str = _env(
        "AIOPS_HOST_LOGS",
        "/var/log/syslog,/var/log/messages,/var/log/kern.log",
        "log files that the host tools may read, comma-separated",
    )
    redact_patterns: Json[list[str]] = _env(
        "AIOPS_REDACT_PATTERNS", "[]", "additional secrets to redact from answers: a JSON list of regular expressions"
    )

    database_url: SecretStr = _env(
        "DATABASE_URL", "", "database: postgres://… or sqlite:///…; default: SQLite in `AIOPS_HOME`"
    )
    redis_url: SecretStr = _env(
        "REDIS_URL", "", "Redis for events and memory: redis:// or rediss://; `aiops up` starts its own server"
    )
    broker_url: SecretStr = _env(
        "CELERY_BROKER_URL", "", "message broker: redis://, rediss://, amqp:// or amqps://; default: REDIS_URL"
    )
    checkpoint_redis_url: SecretStr = _env("CHECKPOINT_REDIS_URL", "", "separate Redis for memory; default: REDIS_URL")

    ssl_cert_file: str = _env(
        "SSL_CERT_FILE", "", "file of all trusted certificate authorities, PEM; default: those of the libraries"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _env(
        "LOG_LEVEL", "INFO", "minimum level of log messages: DEBUG, INFO, WARNING or ERROR"
    )

    llm_type: str = _env(
        "LLM_TYPE",
        "",
        "provider of the LAB model (offline, ollama, openai, …); default: inferred from the provider's variables",
    )
    llm_model: str = _env("LLM_MODEL", "", "name of the LAB model at its provider")
    llm_temperature: float | None = _env("LLM_TEMPERATURE", None, "temperature of the LAB model", ge=0, le=2)
    llm_max_tokens: int | None = _env(
        "LLM_MAX_TOKENS", None, "maximum length of an answer of the LAB model, tokens", gt=0
    )
    providers: dict[str, SecretStr] = {}
    """Values of the variables that ``aiops.llm.providers`` declares, by name of the variable."""

    llm_max_concurrency: int = _env(
        "LLM_MAX_CONCURRENCY", 0, "maximum concurrent calls of one model across all processes; 0: unlimited", ge=0
    )
    llm_requests_per_minute: int = _env(
        "LLM_REQUESTS_PER_MINUTE", 0, "maximum calls of one model per minute across all processes; 0: unlimited", ge=0
    )
    llm_tokens_per_minute: int = _env(
        "LLM_TOKENS_PER_MINUTE", 0, "maximum tokens of one model per minute across all processes; 0: unlimited", ge=0
    )

    llm_networks: str = _env(
        "AIOPS_LLM_NETWORKS",
        "127.0.0.0/8,::1",
        "private addresses and networks where providers of the tables may be, also by http, comma-separated",
    )
    plugin_dir: str = _env("AIOPS_PLUGIN_DIR", "", "folder of Python files with LLM plugins (docs/extending.md)")
    require_change_reason: bool = _env(
        "AIOPS_REQUIRE_CHANGE_REASON", False, "whether every change of configuration rows needs a reason: true or false"
    )
    currency: str = _env("AIOPS_CURRENCY", "USD", "currency of the models' prices, such as EUR", pattern=r"^[A-Z]{3}$")

    web_processes: int = _env(
        "AIOPS_WEB_PROCESSES", 0, "number of web processes under `aiops up`; 0: one per core, at most 4", ge=0, le=64
    )
    workers: int = _env(
        "AIOPS_WORKERS", 0, "number of run worker processes under `aiops up`; 0: one per core", ge=0, le=64
    )
    concurrency: Count = _env("AIOPS_CONCURRENCY", 250, "concurrent runs per run worker process")
    batch_concurrency: Count = _env("AIOPS_BATCH_CONCURRENCY", 32, "concurrent batch items per batch worker process")
    max_batch_bytes: Count = _env("AIOPS_MAX_BATCH_BYTES", 52_428_800, "maximum size of a batch file, bytes")
    max_batch_items: Count = _env("AIOPS_MAX_BATCH_ITEMS", 50_000, "maximum number of items in a batch")
    max_batches: Count = _env("AIOPS_MAX_BATCHES", 20, "maximum number of unfinished batches per user")
    max_schedules: Count = _env("AIOPS_MAX_SCHEDULES", 50, "maximum number of schedules per user")
    max_message_bytes: Count = _env("AIOPS_MAX_MESSAGE_BYTES", 32_768, "maximum size of a message, bytes of UTF-8")
    max_body_bytes: Count = _env("AIOPS_MAX_BODY_BYTES", 65_536, "maximum size of a request body, bytes")
    max_queued_runs: Count = _env("AIOPS_MAX_QUEUED_RUNS", 50, "maximum number of unfinished runs per user")
    requests_per_minute: Count = _env("AIOPS_REQUESTS_PER_MINUTE", 6_000, "maximum API calls per user per minute")
    sign_ins_per_minute: Count = _env("AIOPS_SIGN_INS_PER_MINUTE", 20, "maximum failed sign-ins per address per minute")
    run_deadline_s: Count = _env(
        "AIOPS_RUN_DEADLINE_S", 120, "maximum duration of one attempt at an answer, seconds", le=3_600
    )
    approval_s: int = _env(
        "AIOPS_APPROVAL_S",
        86_400,
        "how long people have for a decision about a call of a tool, where no policy says how long, seconds",
        ge=60,
        le=2_592_000,
    )
    model_timeout_s: Seconds = _env(
        "AIOPS_MODEL_TIMEOUT_S", 60, "longest time without a sign of life of a model, seconds"
    )
    model_retries: int = _env(
        "AIOPS_MODEL_RETRIES", 3, "maximum attempts per model call, including the first", ge=1, le=10
    )
    tool_timeout_s: Seconds = _env(
        "AIOPS_TOOL_TIMEOUT_S", 30, "longest time of a tool call without a sign of progress, seconds"
    )
    tool_progress_s: Seconds = _env(
        "AIOPS_TOOL_PROGRESS_S", 300, "longest time of a tool call that keeps reporting progress, seconds"
    )
    max_model_calls: Count = _env("AIOPS_MAX_MODEL_CALLS", 25, "maximum model calls per run")
    max_tool_calls: Count = _env("AIOPS_MAX_TOOL_CALLS", 50, "maximum tool calls per run")
    max_tool_result_bytes: Count = _env(
        "AIOPS_MAX_TOOL_RESULT_BYTES", 16_384, "maximum size of a tool result given to the model, bytes"
    )
    accept_internal_tools: bool = _env(
        "AIOPS_ACCEPT_INTERNAL_TOOLS",
        False,
        "accept new and changed tools of internal tool servers as they are; otherwise they wait for a person",
    )
    record_tool_arguments: bool = _env(
        "AIOPS_RECORD_TOOL_ARGUMENTS",
        False,
        "keep the arguments of tool calls in their records and in the audit log, without secrets; otherwise only "
        "their hash",
    )
    context_tokens: Count = _env("AIOPS_CONTEXT_TOKENS", 16_000, "maximum tokens of a conversation given to the model")
    lease_s: Seconds = _env(
        "AIOPS_LEASE_S",
        10,
        "duration of a lease, seconds; a run whose worker does not renew it in this time is taken back",
    )
    heartbeat_s: Seconds = _env("AIOPS_HEARTBEAT_S", 3, "interval between lease renewals, seconds")
    reaper_s: Count = _env(
        "AIOPS_REAPER_S", 3, "interval between runs of the reaper, whole seconds (beat stores no fractions)"
    )
    drain_s: Seconds = _env(
        "AIOPS_DRAIN_S", 20, "time that a stopping worker gives its runs to finish, seconds (5 under `aiops up`)"
    )
    worker_memory_mb: int = _env(
        "AIOPS_WORKER_MEMORY_MB",
        1_024,
        "memory limit of a run worker, MB; above it the worker drains and restarts; 0: no limit",
        ge=0,
    )
    max_attempts: Count = _env(
        "AIOPS_MAX_ATTEMPTS", 3, "number of worker crashes that a run survives; one more fails it as `poisoned`"
    )
    memory_ttl_s: Count = _env("AIOPS_MEMORY_TTL_S", 86_400, "lifetime of the memory of an idle conversation, seconds")
    memory_grace_s: int = _env(
        "AIOPS_MEMORY_GRACE_S", 30, "delay between the expiry of memory and its removal, seconds", ge=0
    )
    stream_ttl_s: Count = _env("AIOPS_STREAM_TTL_S", 3_600, "time that events are kept after a run ends, seconds")

    metrics_token: SecretStr = _env(
        "AIOPS_METRICS_TOKEN", "", "bearer token that lets a monitoring system read /metrics"
    )
    metrics_networks: str = _env(
        "AIOPS_METRICS_NETWORKS", "", "addresses and networks that may read /metrics without a token, comma-separated"
    )
    webhook_networks: str = _env(
        "AIOPS_WEBHOOK_NETWORKS",
        "",
        "private addresses and networks that webhooks may reach, also by http, comma-separated; default: none",
    )
    mail_url: SecretStr = _env(
        "AIOPS_MAIL_URL",
        "",
        "mail server for notices about schedules: smtps://user:password@host:465 (TLS), smtp+starttls://…:587, or "
        "smtp://host:25 for a relay without a password; default: no mail is sent",
    )
    mail_from: str = _env("AIOPS_MAIL_FROM", "", "sender of these mails, such as aiops@example.org")
    retention: Json[dict[Retained, Annotated[int, Field(ge=1, le=36_500)]]] = _env(
        "AIOPS_RETENTION",
        '{"firings": 90, "deliveries": 30, "tool_calls": 90}',
        "days to keep each kind of object, as JSON; kinds that are not listed are kept forever; example: "
        '{"runs": 365, "runs.failed": 30, "conversations": 730, "batches": 90, "batches.failed": 14, '
        '"firings": 90, "deliveries": 30, "changes": 730, "tool_calls": 90, "audit": 730}',
    )
    flower_url: str = _env("AIOPS_FLOWER_URL", "", "URL of Flower, shown to staff; set by `aiops up --flower`")

    @property
    def broker(self) -> str:
        """The broker's URL."""
        return self.broker_url.get_secret_value() or self.redis_url.get_secret_value()

    @property
    def memory_redis(self) -> str:
        """The URL of the Redis that holds memory."""
        return self.checkpoint_redis_url.get_secret_value() or self.redis_url.get_secret_value()

    def previous_secret_keys(self) -> list[str]:
        """Return the previous secret keys, the latest first."""
        return [key for one in self.secret_key_fallbacks.get_secret_value().split(",") if (key := one.strip())]

    def encryption_key_ring(self) -> list[str]:
        """Return the keys of stored secrets, the one that encrypts first."""
        written = self.encryption_keys.get_secret_value().split(",")
        return [key + "=" * (-len(key) % 4) for one in written if (key := one.strip())]

    def networks_of_metrics(self) -> list[IPv4Network | IPv6Network]:
        """Return the networks that may read /metrics without a token; raises ValueError."""
        return [ip_network(one.strip(), strict=False) for one in self.metrics_networks.split(",") if one.strip()]

    def networks_of_proxies(self) -> list[IPv4Network | IPv6Network]:
        """Return the networks whose forwarded headers count, [] for `*`, which is everybody; raises ValueError.

        As strict as uvicorn, which reads the variable itself and silently trusts nobody by what it cannot read.
        """
        if self.forwarded_allow_ips == "*":
            return []
        return [ip_network(one.strip()) for one in self.forwarded_allow_ips.split(",")]

    def networks_of_webhooks(self) -> list[IPv4Network | IPv6Network]:
        """Return the private networks that webhooks may reach; raises ValueError."""
        return [ip_network(one.strip(), strict=False) for one in self.webhook_networks.split(",") if one.strip()]

    def networks_of_models(self) -> list[IPv4Network | IPv6Network]:
        """Return the private networks where providers of the tables may be; raises ValueError."""
        return [ip_network(one.strip(), strict=False) for one in self.llm_networks.split(",") if one.strip()]

    def of_provider(self, variable: str) -> str:
        """Return the value of a provider's variable; empty if it is not set."""
        return self.providers.get(variable, SecretStr("")).get_secret_value()

    def secrets(self) -> list[str]:
        """Return the plain values of all secret settings that are set."""
        values = (getattr(self, name) for name in type(self).model_fields)
        plain = [v.get_secret_value() for v in values if isinstance(v, SecretStr) and v.get_secret_value()]
        return plain + self.previous_secret_keys() + self.encryption_key_ring()


_installed: list[Settings] = []


def install(settings: Settings) -> Settings:
    """Make these the settings of this process; later calls replace them (tests)."""
    _installed[:] = [settings]
    return settings


def current() -> Settings:
    """Return this process's settings; raises RuntimeError before ``install``."""
    if not _installed:
        raise RuntimeError("settings are not installed: import config.env first")
    return _installed[0]
