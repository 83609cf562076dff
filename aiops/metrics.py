"""Counters, histograms and gauges: each process adds up its own and sends the sums to Redis, which holds the totals.

Labels are few and bounded: queues, states, error codes, models and tool servers, never users, runs or message text.
Features declare the series that exist before their first event (``Feature.known_series``); ``/metrics`` shows them with
zero, so that ``increase()`` sees the first one.
Counters restart at zero if Redis loses them, as Prometheus expects. ``GAUGES`` are the present values of each process;
those of a silent process are removed.
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
"""Upper bounds of the histogram buckets, seconds."""
MAX_LABEL = 100
MAX_SERIES = 2_000
"""Maximum number of fields in Redis; labels come from operators (models, tool servers), so few are expected."""
SILENT_S = 15.0
"""Gauges of a process that has not reported for this long are ignored."""

logger = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Metric:
    """A counter, or a histogram of seconds (``measured``), with the names of its labels."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    measured: bool = False


Totals = dict[tuple[str, tuple[str, ...]], dict[str, float]]
"""(name, label values) → sum of each part: ``total`` of a counter, ``sum`` and the bounds of a histogram."""
Series = tuple[Metric, tuple[str, ...]]
"""A metric with the values of its labels, in the metric's order."""

RUNS_ACCEPTED = Metric("aiops_runs_accepted", "Runs that users started.")
RUNS_ENDED = Metric(
    "aiops_runs_ended", "Runs that workers ended, by state and error code, or tool_failed.", ("queue", "state", "code")
)
RUN_SECONDS = Metric("aiops_run_seconds", "Time from a run's claim to its end.", ("queue",), measured=True)
FIRST_DELTA_SECONDS = Metric(
    "aiops_first_delta_seconds", "Time from a run's claim to the first words of its answer.", ("queue",), measured=True
)
WAITED_SECONDS = Metric(
    "aiops_queue_wait_seconds", "Time from acceptance to claim of a run.", ("queue",), measured=True
)
ATTEMPTS = Metric("aiops_run_attempts", "Claims of runs: the first, and those after a crash or a drain.", ("queue",))
TAKEN_BACK = Metric("aiops_runs_taken_back", "Runs whose lease expired, by their new state.", ("state",))
SENT_AGAIN = Metric("aiops_messages_sent_again", "Messages sent again because the queue had lost them.")
NOT_CLAIMED = Metric("aiops_duplicates_avoided", "Messages for runs that another worker had claimed or that had ended.")
TOKENS = Metric("aiops_tokens", "Tokens read (input) and written (output) by models.", ("model", "direction"))
MODEL_REFUSALS = Metric("aiops_model_refusals", "Calls that a provider refused with 429.", ("model",))
TOOL_CALLS = Metric("aiops_tool_calls", "Tool calls, by outcome.", ("server", "status"))
ITEMS_SETTLED = Metric("aiops_batch_items_settled", "Batch items that ended, by state.", ("state",))
WEBHOOKS = Metric("aiops_webhooks", "Webhook attempts: delivered, to be retried, failed.", ("outcome",))
JOBS = Metric("aiops_jobs", "Runs of maintenance jobs.", ("job", "outcome"))
JOB_SECONDS = Metric("aiops_job_seconds", "Duration of maintenance jobs.", ("job",), measured=True)
CALL_STATUSES = ("ok", "error", "unknown")
"""Values of ``status`` of TOOL_CALLS; unknown: the run was stopped during the call."""
DIRECTIONS = ("input", "output")
"""Values of ``direction`` of TOKENS."""
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
    "runs_held": "Runs that worker processes hold a lease on.",
    "database_pool_size": "Database connections in the processes' pools (PostgreSQL).",
    "database_pool_waiting": "Requests that wait for a pooled database connection.",
}
LARGEST = {"loop_lag_seconds": "Largest recent delay of an event loop, over all processes."}
GAUGES = {**SUMMED, **LARGEST}

_unsent: defaultdict[str, float] = defaultdict(float)
_lock = threading.Lock()


def count(metric: Metric, *labels: str, by: float = 1) -> None:
    """Add to a counter; ``labels`` are the label values, in the metric's order."""
    if by:
        with _lock:
            _unsent[_field(metric, labels, "total")] += by


def measure(metric: Metric, *labels: str, seconds: float) -> None:
    """Add one measurement to a histogram."""
    bound = next((str(b) for b in SECONDS if seconds <= b), "+Inf")
    with _lock:
        _unsent[_field(metric, labels, bound)] += 1
        _unsent[_field(metric, labels, "sum")] += seconds


def flush() -> None:
    """Send the sums since the last flush; if Redis is down they are kept for the next one."""
    with _lock:
        sent = dict(_unsent)
        _unsent.clear()
    if not sent:
        return
    try:
        # Only near the limit is each field checked, which costs a call per field.
        room = MAX_SERIES - int(keyspace.sync().hlen(keyspace.METRICS))
        sent = dict(_within_room(sent, room)) if room < len(sent) else sent
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
    """Report this process's ``GAUGES``, and flush its counters."""
    flush()
    now = time.time()
    try:
        keyspace.sync().hset(keyspace.GAUGES, process, json.dumps({"at": now, **values}))
        silent = [name for name, reported in _read_gauges().items() if now - reported["at"] > 4 * SILENT_S]
        if silent:
            keyspace.sync().hdel(keyspace.GAUGES, *silent)
    except redis.RedisError as error:
        logger.warning("metrics.not_sent", error=str(error))


def gauges() -> dict[str, float]:
    """Return each gauge over all processes: summed, or the largest; raises RedisError."""
    now = time.time()
    present = [reported for reported in _read_gauges().values() if now - reported["at"] <= SILENT_S]
    summed = {name: sum(values.get(name, 0) for values in present) for name in SUMMED}
    return {**summed, **{name: max((values.get(name, 0) for values in present), default=0) for name in LARGEST}}


def of_process() -> dict[str, dict[str, float]]:
    """Return the last reported gauges of each process that reported recently; raises RedisError."""
    now = time.time()
    return {name.decode(): got for name, got in _read_gauges().items() if now - got["at"] <= SILENT_S}


def _read_gauges() -> dict[bytes, dict[str, float]]:
    rows: dict[bytes, bytes] = keyspace.sync().hgetall(keyspace.GAUGES)  # type: ignore[assignment]
    return {process: json.loads(row) for process, row in rows.items()}


def read() -> Totals:
    """Return the totals of all processes; raises RedisError."""
    found: Totals = {}
    rows: dict[bytes, bytes] = keyspace.sync().hgetall(keyspace.METRICS)  # type: ignore[assignment]
    for field, amount in rows.items():
        name, labels, part = json.loads(field)
        found.setdefault((name, tuple(labels)), {})[part] = float(amount)
    return found


def _within_room(sent: dict[str, float], room: int) -> Iterable[tuple[str, float]]:
    """Yield fields that exist already, and new ones while there is room."""
    for field, amount in sent.items():
        known = keyspace.sync().hexists(keyspace.METRICS, field)
        room -= not known
        if known or room >= 0:
            yield field, amount


def key(metric: Metric, labels: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Return the key of a series in ``Totals``."""
    assert len(labels) == len(metric.labels), metric.name
    return metric.name, tuple(str(label)[:MAX_LABEL] for label in labels)


def _field(metric: Metric, labels: tuple[str, ...], part: str) -> str:
    return json.dumps([*key(metric, labels), part])
