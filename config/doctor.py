"""``aiops doctor``: looks at each part from outside, and says what was seen and how to mend it."""

from __future__ import annotations

import asyncio
import json
import resource
import shutil
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import django
import httpx

django.setup()

import redis  # noqa: E402
from django.conf import settings as django_settings  # noqa: E402
from django.db import DatabaseError, connection  # noqa: E402
from django.db.migrations.executor import MigrationExecutor  # noqa: E402

from aiops import dispatch, keyspace  # noqa: E402
from aiops.errors import Refused, Unavailable  # noqa: E402
from aiops.registry import models, tool_servers  # noqa: E402
from aiops.registry.tool_servers import BadToolServer  # noqa: E402
from aiops.tools.pool import Catalogue, ToolPool  # noqa: E402
from aiops.upkeep import clock  # noqa: E402
from aiops.upkeep.models import JobRun  # noqa: E402
from config import management  # noqa: E402
from config.home import Home  # noqa: E402

SETTINGS = django_settings.SETTINGS
CANARY_S = 6.0
LOW_DISK_BYTES = 500_000_000
FEW_FILES = 1_024
CLOCK_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen of one part."""

    part: str
    ok: bool
    seen: str
    cure: str = ""
    required: bool = True


def run(*, as_json: bool) -> int:
    """Look at everything and print it; 1 when a required part is down."""
    management.without_pool()
    findings = [finding for look in LOOKS for finding in look()]
    if as_json:
        print(json.dumps([{**asdict(f), "cure": "" if f.ok else f.cure} for f in findings], indent=2))
    else:
        for f in findings:
            mark = "ok  " if f.ok else "DOWN" if f.required else "warn"
            print(f"{mark}  {f.part:<16} {' '.join(f.seen.split())}" + ("" if f.ok else f"\n{'':23}→ {f.cure}"))
    return int(any(not f.ok and f.required for f in findings))


def database() -> list[Finding]:
    """Whether it answers and its tables are up to date."""
    cure = "See that DATABASE_URL is right and the server runs; `aiops up` brings the tables up to date."
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        return [Finding("database", False, f"{connection.vendor}: {error}".strip(), cure)]
    if behind:
        return [
            Finding(
                "database",
                False,
                f"{connection.vendor}: {len(behind)} migrations are missing",
                "Start `aiops up`, or run `aiops manage migrate`.",
            )
        ]
    return [Finding("database", True, f"{connection.vendor}, tables up to date")]


def redis_server() -> list[Finding]:
    """Whether events and memory can be kept."""
    cure = "Start `aiops up`, or set REDIS_URL to a Redis 6.2+ or Valkey server that runs."
    if not SETTINGS.redis_url.get_secret_value():
        return [Finding("redis", False, "REDIS_URL is not set and nothing runs from the home", cure)]
    found = []
    for part, url in {"redis": SETTINGS.redis_url.get_secret_value(), "memory": SETTINGS.memory_redis}.items():
        try:
            info = keyspace.sync(url).info()
            if (kind := keyspace.mode(info)) != "standalone":
                found.append(Finding(part, False, f"a {kind}", keyspace.ONE_SERVER))
                continue
            name = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
            found.append(Finding(part, True, f"{name}, {info['used_memory_human']} used"))
        except redis.RedisError as error:
            found.append(Finding(part, False, str(error), cure))
    return found


def web() -> list[Finding]:
    """Whether the pages and the API answer, where this home's ``aiops up`` or AIOPS_PUBLIC_URL says they are."""
    kept = Home(SETTINGS.home).address
    address = kept.read_text().strip() if kept.exists() else SETTINGS.public_url
    if not address:
        return [Finding("web", False, f"nothing runs from {SETTINGS.home.absolute()}", "Start `aiops up`.")]
    try:
        answer = httpx.get(f"{address}/health/ready", timeout=5)
    except httpx.HTTPError as error:
        return [Finding("web", False, f"{address}: {error}", "Start `aiops up`, or see its log.")]
    try:
        missing = ", ".join(answer.json()["degraded"]) if answer.is_success else ""
    except (ValueError, KeyError, TypeError):
        return [Finding("web", False, f"{address} is no aiops server", "Stop who uses that port, or start `aiops up`.")]
    seen = f"{address} answered {answer.status_code}" + (f", without {missing}" if missing else "")
    return [Finding("web", answer.is_success, seen, "See the web process's log.")]


def queues() -> list[Finding]:
    """Whether a canary sent through each queue is heard by a worker."""
    found = []
    for queue in dispatch.QUEUES:
        nonce = uuid.uuid4().hex
        cure = f"See that a worker serves it (celery -A config worker -Q {queue}) and CELERY_BROKER_URL is right."
        try:
            begun = time.monotonic()
            dispatch.canary(queue, nonce)
            heard = _heard(nonce)
            depth = dispatch.depth(queue)
        except (Unavailable, redis.RedisError, RuntimeError) as error:
            found.append(Finding(f"queue {queue}", False, str(error)[:200], cure))
            continue
        ms = (time.monotonic() - begun) * 1e3
        seen = (
            f"a worker answered in {ms:.0f} ms, {depth} waiting"
            if heard
            else f"no worker answered within {CANARY_S:g} s, {depth} waiting"
        )
        found.append(Finding(f"queue {queue}", heard, seen, cure))
    return found + _dead_letters()


def _dead_letters() -> list[Finding]:
    """Whether messages came that no worker could read (RabbitMQ keeps them)."""
    try:
        count = dispatch.depth(dispatch.DEAD_QUEUE)
    except Unavailable:
        return []
    cure = "Read the workers' logs for what was refused, then purge the queue 'dead'; runs are safe in their rows."
    return [Finding("dead letters", False, f"{count} messages", cure, required=False)] if count else []


def _heard(nonce: str) -> bool:
    until = time.monotonic() + CANARY_S
    while time.monotonic() < until:
        if keyspace.sync().exists(keyspace.canary(nonce)):
            return True
        time.sleep(0.05)
    return False


def beat() -> list[Finding]:
    """Whether the clock asks: the reaper's last row is young."""
    cure = "See that exactly one `celery -A config beat` runs, and a worker of the upkeep queue."
    try:
        last = JobRun.objects.filter(job="reaper").order_by("-started_at").first()
    except DatabaseError as error:
        return [Finding("beat", False, str(error), cure)]
    if last is None:
        return [Finding("beat", False, "the reaper never ran", cure)]
    age_s = (datetime.now(UTC) - last.started_at).total_seconds()
    return [
        Finding("beat", age_s < SETTINGS.reaper_s * 3 + 10, f"the reaper ran {age_s:.0f} s ago: {last.outcome}", cure)
    ]


def model() -> list[Finding]:
    """Whether the default model's provider can be reached."""
    try:
        spec = models.choose(SETTINGS, {})
    except Refused as refused:
        return [
            Finding(
                "model",
                False,
                refused.detail,
                "Set LLM_TYPE, LLM_MODEL and the provider's variables; see the README's table.",
            )
        ]
    if spec.provider == "offline":
        return [Finding("model", True, "offline: tools only, no language model is configured")]
    base = spec.base_url or {"openai": "https://api.openai.com/v1", "ollama": "http://127.0.0.1:11434"}[spec.provider]
    path = {"openai": "/models", "ollama": "/api/tags"}[spec.provider]
    headers = {"Authorization": f"Bearer {spec.api_key}"} if spec.api_key else {}
    try:
        answer = httpx.get(base.rstrip("/") + path, headers=headers, timeout=5)
    except httpx.HTTPError as error:
        return [
            Finding(
                "model",
                False,
                f"{spec.name} ({spec.provider}) at {base}: {error}",
                "See that its server runs and can be reached from here.",
            )
        ]
    cure = "Correct the key (OPENAI_API_KEY)." if answer.status_code in (401, 403) else "See that the address is right."
    return [
        Finding(
            "model", answer.is_success, f"{spec.name} ({spec.provider}) at {base} answered {answer.status_code}", cure
        )
    ]


def tools() -> list[Finding]:
    """Whether each tool server shakes hands."""
    try:
        specs = tool_servers.configured(SETTINGS)
    except BadToolServer as error:
        return [Finding("tools", False, str(error), "Correct AIOPS_TOOL_SERVERS.")]

    async def look() -> Catalogue:
        pool = ToolPool(specs, timeout_s=SETTINGS.tool_timeout_s)
        pool.start()
        try:
            return await pool.catalogue()
        finally:
            await pool.stop()

    catalogue = asyncio.run(look())
    up = [
        Finding(
            f"tools {spec.name}", True, f"{sum(t.server == spec.name for t in catalogue.tools)} tools", required=False
        )
        for spec in specs
        if spec.name not in dict(catalogue.missing)
    ]
    cure = "See that its command or address is right and it runs; others go on without it."
    return up + [Finding(f"tools {name}", False, reason, cure, required=False) for name, reason in catalogue.missing]


def machine() -> list[Finding]:
    """Disk, open files and clock."""
    home = SETTINGS.home.absolute()
    place = home if home.exists() else home.parent
    free = shutil.disk_usage(place).free
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    found = [
        Finding(
            "disk", free > LOW_DISK_BYTES, f"{free / 1e9:.1f} GB free at {place}", "Make room: rows and memory need it."
        ),
        Finding(
            "open files",
            soft >= FEW_FILES,
            f"at most {soft} (hard {hard})",
            "Raise it: ulimit -n 65536.",
            required=False,
        ),
    ]
    return found + _clock()


def _clock() -> list[Finding]:
    """Compare this machine's clock with the database's."""
    try:
        apart_s = abs(clock.database_seconds() - time.time())
    except DatabaseError:
        return []
    seen = f"{apart_s:.1f} s from the database's"
    return [Finding("clock", apart_s < CLOCK_S, seen, "Set both clocks by NTP.", required=False)]


LOOKS: list[Callable[[], list[Finding]]] = [web, database, redis_server, queues, beat, model, tools, machine]
