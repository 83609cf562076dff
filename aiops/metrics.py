"""What is counted and measured: added up in each process, summed in Redis, so right however many processes there are.

Labels are few and bounded: queues, states, error codes, models and tool servers, never users, runs or what people
wrote. Redis that loses them begins at zero again, as Prometheus expects of a counter. ``GAUGES`` tell the present
moment of one process; its share is forgotten when it falls silent.
"""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import redis

from aiops import keyspace, log

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""Upper bounds of the buckets of what takes time, seconds."""
MAX_LABEL = 100
MAX_SERIES = 2_000
"""So many fields are kept at most; names of models and tool servers come from operators, so few are expected."""
SILENT_S = 15.0
"""What a process told that fell silent this long ago is no more the present."""

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Metric:
    """One name that may be counted (``total``) or measured (``seconds``), with the labels it has."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    measured: bool = False


RUNS_ACCEPTED = Metric("aiops_runs_accepted", "Questions that were accepted from people.")
RUNS_ENDED = Metric("aiops_runs_ended", "Runs that ended, by state and error code.", ("queue", "state", "code"))
RUN_SECONDS = Metric("aiops_run_seconds", "From a run's claim to its end.", ("queue",), measured=True)
FIRST_DELTA_SECONDS = Metric(
    "aiops_first_delta_seconds", "From a run's claim to the first words of its answer.", ("queue",), measured=True
)
WAITED_SECONDS = Metric("aiops_queue_wait_seconds", "From a run's acceptance to its claim.", ("queue",), measured=True)
ATTEMPTS = Metric("aiops_run_attempts", "Claims of runs: first ones, and those after a crash or a drain.", ("queue",))
TAKEN_BACK = Metric("aiops_runs_taken_back", "Runs whose worker fell silent, by the state they got.", ("state",))
SENT_AGAIN = Metric("aiops_messages_sent_again", "Messages that the queue had lost.")
NOT_CLAIMED = Metric("aiops_duplicates_avoided", "Deliveries of runs that somebody else had, or that had ended.")
TOKENS = Metric("aiops_tokens", "Tokens that models read (input) and wrote (output).", ("model", "direction"))
MODEL_REFUSALS = Metric("aiops_model_refusals", "Calls that a provider refused with 429.", ("model",))
TOOL_CALLS = Metric("aiops_tool_calls", "Calls of tools, by how they went.", ("server", "status"))
ITEMS_SETTLED = Metric("aiops_batch_items_settled", "Items of batches that need nothing more, by state.", ("state",))
WEBHOOKS = Metric("aiops_webhooks", "Tries of webhooks: delivered, tried again later, failed.", ("outcome",))
JOBS = Metric("aiops_jobs", "Runs of upkeep jobs.", ("job", "outcome"))
JOB_SECONDS = Metric("aiops_job_seconds", "How long upkeep jobs take.", ("job",), measured=True)
ALL = (
    RUNS_ACCEPTED,
    RUNS_ENDED,
    RUN_SECONDS,
    FIRST_DELTA_SECONDS,
    WAITED_SECONDS,
    ATTEMPTS,
    TAKEN_BACK,
    SENT_AGAIN,
    NOT_CLAIMED,
    TOKENS,
    MODEL_REFUSALS,
    TOOL_CALLS,
    ITEMS_SETTLED,
    WEBHOOKS,
    JOBS,
    JOB_SECONDS,
)
SUMMED = {
    "viewers": "Open streams and long polls.",
    "runs_held": "Runs that worker processes hold a lease of.",
    "database_pool_size": "Connections that the processes' pools hold (PostgreSQL).",
    "database_pool_waiting": "Requests that wait for one of them.",
}
LARGEST = {"loop_lag_seconds": "How late the slowest process's event loop was at its last look."}
GAUGES = {**SUMMED, **LARGEST}

_unsent: defaultdict[str, float] = defaultdict(float)
_lock = threading.Lock()


def count(metric: Metric, *labels: str, by: float = 1) -> None:
    """Add to a counter; ``labels`` are the values of its labels, in their order."""
    if by:
        with _lock:
            _unsent[_field(metric, labels, "total")] += by


def measure(metric: Metric, *labels: str, seconds: float) -> None:
    """Add one measurement."""
    bound = next((str(b) for b in SECONDS if seconds <= b), "+Inf")
    with _lock:
        _unsent[_field(metric, labels, bound)] += 1
        _unsent[_field(metric, labels, "sum")] += seconds


def flush() -> None:
    """Send what was added since the last time; while Redis is away it is kept."""
    with _lock:
        sent = dict(_unsent)
        _unsent.clear()
    if not sent:
        return
    try:
        room = MAX_SERIES - int(keyspace.sync().hlen(keyspace.METRICS))
        sent = dict(_known_or_new(sent, room)) if room < len(sent) else sent
        pipe = keyspace.sync().pipeline(transaction=True)
        for field, amount in sent.items():
            pipe.hincrbyfloat(keyspace.METRICS, field, amount)
        pipe.execute()
    except redis.RedisError as error:
        logger.warning("metrics.not_sent", error=str(error))
        with _lock:
            for field, amount in sent.items():
                _unsent[field] += amount


def show(process: str, values: dict[str, float]) -> None:
    """Tell the present values of this process's ``GAUGES``, and send what was counted."""
    flush()
    now = time.time()
    told = json.dumps({"at": now, **values})
    try:
        keyspace.sync().hset(keyspace.GAUGES, process, told)
        silent = [name for name, (at, _) in _told().items() if now - at > 4 * SILENT_S]
        if silent:
            keyspace.sync().hdel(keyspace.GAUGES, *silent)
    except redis.RedisError as error:
        logger.warning("metrics.not_sent", error=str(error))


def gauges() -> dict[str, float]:
    """Return the present value of each gauge over all processes; raises RedisError."""
    now = time.time()
    present = [values for at, values in _told().values() if now - at <= SILENT_S]
    summed = {name: sum(values.get(name, 0) for values in present) for name in SUMMED}
    return {**summed, **{name: max((values.get(name, 0) for values in present), default=0) for name in LARGEST}}


def _told() -> dict[bytes, tuple[float, dict[str, float]]]:
    rows: dict[bytes, bytes] = keyspace.sync().hgetall(keyspace.GAUGES)  # type: ignore[assignment]
    told = {name: json.loads(row) for name, row in rows.items()}
    return {name: (values.pop("at"), values) for name, values in told.items()}


def read() -> dict[tuple[str, tuple[str, ...]], dict[str, float]]:
    """Return what all processes have sent: by name and labels, the sum of each part; raises RedisError."""
    found: dict[tuple[str, tuple[str, ...]], dict[str, float]] = {}
    rows: dict[bytes, bytes] = keyspace.sync().hgetall(keyspace.METRICS)  # type: ignore[assignment]
    for field, amount in rows.items():
        name, labels, part = json.loads(field)
        found.setdefault((name, tuple(labels)), {})[part] = float(amount)
    return found


def _known_or_new(sent: dict[str, float], room: int) -> Iterable[tuple[str, float]]:
    """Yield what is known already, and what is new as long as there is room."""
    for field, amount in sent.items():
        known = keyspace.sync().hexists(keyspace.METRICS, field)
        room -= not known
        if known or room >= 0:
            yield field, amount


def _field(metric: Metric, labels: tuple[str, ...], part: str) -> str:
    assert len(labels) == len(metric.labels), metric.name
    return json.dumps([metric.name, [label[:MAX_LABEL] for label in labels], part])
