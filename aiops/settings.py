"""The frozen settings of one process; ``config/env.py`` reads the environment and installs them once."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Json, SecretStr

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Kept = Annotated[
    str,
    Field(
        pattern=r"^(runs(\.(succeeded|failed|cancelled|expired))?|conversations"
        r"|batches(\.(completed|failed|expired|cancelled))?|firings|deliveries)$"
    ),
]
"""A kind of object, or a kind in one state."""


def _env(name: str, default: Any, description: str, **extra: Any) -> Any:
    return Field(default, validation_alias=name, description=description, **extra)


class Settings(BaseModel):
    """Every value that an operator can set, under the name of its environment variable."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, validate_default=True)

    home: Path = _env("AIOPS_HOME", Path(".aiops"), "folder for everything that is written: data, logs, secrets")
    environment: Literal["LAB", "NONPROD", "PROD"] = _env(
        "AIOPS_ENVIRONMENT", "LAB", "LAB takes models from the environment; NONPROD and PROD from tables alone"
    )
    secret_key: SecretStr = _env(
        "AIOPS_SECRET_KEY", "", "signs sessions, 50 characters or more; `aiops up` makes one in the home"
    )
    public_url: str = _env("AIOPS_PUBLIC_URL", "", "address people use, such as https://aiops.example.org")
    allowed_hosts: str = _env(
        "AIOPS_ALLOWED_HOSTS", "", "more names and addresses people reach the pages by, comma separated"
    )
    url: str = _env("AIOPS_URL", "", "server that client commands talk to; otherwise the home's")
    token: SecretStr = _env("AIOPS_TOKEN", "", "API token of client commands; otherwise the home's")
    checkpointer: Literal["redis", "postgres", "memory"] = _env(
        "AIOPS_CHECKPOINTER",
        "redis",
        "where memory lives: redis, postgres (DATABASE_URL's server), or memory (lost with the process; tests)",
    )
    tool_servers: Json[dict[str, dict[str, Any]]] = _env(
        "AIOPS_TOOL_SERVERS",
        "{}",
        'LAB: MCP servers that have no row, as JSON: {"name": {"url": …, "headers": …} or {"command": …, "args": […], '
        '"env": …}}',
    )
    host_logs: str = _env(
        "AIOPS_HOST_LOGS",
        "/var/log/syslog,/var/log/messages,/var/log/kern.log",
        "log files, comma separated, that the host tools may read",
    )
    redact_patterns: Json[list[str]] = _env(
        "AIOPS_REDACT_PATTERNS", "[]", "more secrets to hide in answers, as a JSON list of regular expressions"
    )

    database_url: SecretStr = _env(
        "DATABASE_URL", "", "rows: postgres://… or sqlite:///…; otherwise SQLite in the home"
    )
    redis_url: SecretStr = _env("REDIS_URL", "", "events and memory: redis:// or rediss://; `aiops up` starts its own")
    broker_url: SecretStr = _env("CELERY_BROKER_URL", "", "queue: redis://, rediss:// or amqp://; otherwise REDIS_URL")
    checkpoint_redis_url: SecretStr = _env("CHECKPOINT_REDIS_URL", "", "memory alone; otherwise REDIS_URL")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _env("LOG_LEVEL", "INFO", "how much the logs say")

    llm_type: str = _env("LLM_TYPE", "", "LAB model's provider: offline, ollama or openai; guessed when not set")
    llm_model: str = _env("LLM_MODEL", "", "LAB model's name at its provider")
    llm_temperature: float | None = _env("LLM_TEMPERATURE", None, "LAB model's temperature", ge=0, le=2)
    llm_max_tokens: int | None = _env("LLM_MAX_TOKENS", None, "longest answer of the LAB model, tokens", gt=0)
    openai_api_key: SecretStr = _env("OPENAI_API_KEY", "", "key for the openai provider")
    openai_base_url: str = _env("OPENAI_BASE_URL", "", "any server that speaks OpenAI's chat API")
    ollama_base_url: str = _env("OLLAMA_BASE_URL", "", "Ollama server, such as http://127.0.0.1:11434")

    llm_max_concurrency: int = _env(
        "LLM_MAX_CONCURRENCY", 0, "calls of a model at once, by all processes; 0: any", ge=0
    )
    llm_requests_per_minute: int = _env("LLM_REQUESTS_PER_MINUTE", 0, "calls of a model in a minute; 0: any", ge=0)
    llm_tokens_per_minute: int = _env("LLM_TOKENS_PER_MINUTE", 0, "tokens of a model in a minute; 0: any", ge=0)

    workers: int = _env(
        "AIOPS_WORKERS", 0, "run worker processes of `aiops up`; 0 means one for each core", ge=0, le=64
    )
    concurrency: Count = _env("AIOPS_CONCURRENCY", 250, "runs at once in one worker process")
    batch_concurrency: Count = _env("AIOPS_BATCH_CONCURRENCY", 32, "batch items at once in one batch worker process")
    max_batch_bytes: Count = _env("AIOPS_MAX_BATCH_BYTES", 52_428_800, "largest file of a batch, bytes")
    max_batch_items: Count = _env("AIOPS_MAX_BATCH_ITEMS", 50_000, "most items of a batch")
    max_batches: Count = _env("AIOPS_MAX_BATCHES", 20, "unfinished batches of one user")
    max_schedules: Count = _env("AIOPS_MAX_SCHEDULES", 50, "schedules of one user")
    max_message_bytes: Count = _env("AIOPS_MAX_MESSAGE_BYTES", 32_768, "longest message, bytes of UTF-8")
    max_body_bytes: Count = _env("AIOPS_MAX_BODY_BYTES", 65_536, "longest request body, bytes")
    max_queued_runs: Count = _env("AIOPS_MAX_QUEUED_RUNS", 50, "unfinished runs of one user")
    requests_per_minute: Count = _env("AIOPS_REQUESTS_PER_MINUTE", 6_000, "API calls of one user")
    sign_ins_per_minute: Count = _env("AIOPS_SIGN_INS_PER_MINUTE", 20, "failed sign-ins from one address")
    run_deadline_s: Count = _env("AIOPS_RUN_DEADLINE_S", 120, "longest attempt at an answer, seconds", le=3_600)
    model_timeout_s: Seconds = _env("AIOPS_MODEL_TIMEOUT_S", 60, "longest model call, seconds")
    model_retries: int = _env("AIOPS_MODEL_RETRIES", 3, "tries of one model call", ge=1, le=10)
    tool_timeout_s: Seconds = _env("AIOPS_TOOL_TIMEOUT_S", 30, "longest tool call, seconds")
    max_model_calls: Count = _env("AIOPS_MAX_MODEL_CALLS", 25, "model calls in one run")
    max_tool_calls: Count = _env("AIOPS_MAX_TOOL_CALLS", 50, "tool calls in one run")
    max_tool_result_bytes: Count = _env("AIOPS_MAX_TOOL_RESULT_BYTES", 16_384, "tool result shown to the model, bytes")
    context_tokens: Count = _env("AIOPS_CONTEXT_TOKENS", 16_000, "tokens of a conversation that the model is shown")
    lease_s: Seconds = _env("AIOPS_LEASE_S", 10, "a run whose worker is silent this long is taken back, seconds")
    heartbeat_s: Seconds = _env("AIOPS_HEARTBEAT_S", 3, "between renewals of a lease, seconds")
    reaper_s: Count = _env("AIOPS_REAPER_S", 3, "between looks of the reaper, whole seconds (beat stores no parts)")
    drain_s: Seconds = _env(
        "AIOPS_DRAIN_S", 20, "time for runs to end when a worker stops, seconds (5 under `aiops up`)"
    )
    worker_memory_mb: int = _env(
        "AIOPS_WORKER_MEMORY_MB",
        1_024,
        "a run worker that holds more memory drains and starts anew, MB; 0 means never",
        ge=0,
    )
    max_attempts: Count = _env(
        "AIOPS_MAX_ATTEMPTS", 3, "crashes that a run survives; one more and it fails as poisoned"
    )
    memory_ttl_s: Count = _env("AIOPS_MEMORY_TTL_S", 86_400, "memory of an idle conversation, seconds")
    memory_grace_s: int = _env("AIOPS_MEMORY_GRACE_S", 30, "after that, until it is removed, seconds", ge=0)
    stream_ttl_s: Count = _env("AIOPS_STREAM_TTL_S", 3_600, "events stay this long after a run's end, seconds")

    metrics_token: SecretStr = _env(
        "AIOPS_METRICS_TOKEN", "", "lets a monitoring system read /metrics, as a bearer token"
    )
    metrics_networks: str = _env(
        "AIOPS_METRICS_NETWORKS", "", "addresses and networks that may read /metrics without it, comma separated"
    )
    webhook_networks: str = _env(
        "AIOPS_WEBHOOK_NETWORKS",
        "",
        "private addresses and networks that webhooks may go to, also by http, comma separated; otherwise none",
    )
    retention: Json[dict[Kept, Annotated[int, Field(ge=1, le=36_500)]]] = _env(
        "AIOPS_RETENTION",
        '{"firings": 90, "deliveries": 30}',
        'days that things are kept, as JSON; what is not named is kept for ever: {"runs": 365, "runs.failed": 30, '
        '"conversations": 730, "batches": 90, "batches.failed": 14, "firings": 90, "deliveries": 30}',
    )
    flower_url: str = _env("AIOPS_FLOWER_URL", "", "address of Flower, shown to staff; set by `aiops up --flower`")

    @property
    def broker(self) -> str:
        """The queue's URL."""
        return self.broker_url.get_secret_value() or self.redis_url.get_secret_value()

    @property
    def memory_redis(self) -> str:
        """The URL of the Redis that holds memory."""
        return self.checkpoint_redis_url.get_secret_value() or self.redis_url.get_secret_value()

    def networks_of_metrics(self) -> list[IPv4Network | IPv6Network]:
        """Return whose requests for /metrics need no token; raises ValueError."""
        return [ip_network(one.strip(), strict=False) for one in self.metrics_networks.split(",") if one.strip()]

    def networks_of_webhooks(self) -> list[IPv4Network | IPv6Network]:
        """Return the private networks that webhooks may go to; raises ValueError."""
        return [ip_network(one.strip(), strict=False) for one in self.webhook_networks.split(",") if one.strip()]

    def secrets(self) -> list[str]:
        """Return the plain values of every secret setting that is set."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [v.get_secret_value() for v in values if isinstance(v, SecretStr) and v.get_secret_value()]


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
