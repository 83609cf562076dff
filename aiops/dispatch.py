"""The only door to the queue: task and queue names, and one function for each thing that can be asked of a worker."""

from __future__ import annotations

from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from aiops import log
from aiops.errors import Unavailable

RUNS_QUEUE = "runs"
BATCH_QUEUE = "batch"
UPKEEP_QUEUE = "upkeep"
RUN_QUEUES = (RUNS_QUEUE, BATCH_QUEUE)
"""Queues of runs: of people who wait, and of batches, so that nobody waits behind fifty thousand prompts."""
QUEUES = (*RUN_QUEUES, UPKEEP_QUEUE)
DEAD_QUEUE = "dead"
"""What no worker could read, on RabbitMQ; Redis keeps no dead letters."""

VERSION = 1
"""Version of what is put on the runs queue; a worker leaves what is newer to a newer worker."""
RUN_TASK = "aiops.run"
VALIDATE_TASK = "aiops.batch.validate"
UPKEEP_TASK = "aiops.upkeep"
CANARY_TASK = "aiops.canary"

logger = log.get(__name__)


def run(run_id: str, *, queue: str = RUNS_QUEUE, version: int = VERSION) -> bool:
    """Put a run's id on its queue; False, logged, when the broker did not take it (the reaper sends it later)."""
    try:
        _send(RUN_TASK, [run_id], kwargs={"version": version}, queue=queue)
    except (OperationalError, OSError) as error:
        logger.warning("dispatch.failed", run=run_id, error=str(error))
        return False
    return True


def validate(batch_id: str) -> bool:
    """Ask for the validation of a batch; False, logged, when the broker did not take it (upkeep asks again)."""
    try:
        _send(VALIDATE_TASK, [batch_id], queue=BATCH_QUEUE)
    except (OperationalError, OSError) as error:
        logger.warning("dispatch.failed", batch=batch_id, error=str(error))
        return False
    return True


def upkeep(job: str, *, request_id: str, in_s: int = 0) -> None:
    """Ask for one upkeep job, now or in some seconds; raises Unavailable when the broker does not take it."""
    kwargs = {"request_id": request_id}
    _send_or_refuse(UPKEEP_TASK, [job], kwargs=kwargs, queue=UPKEEP_QUEUE, countdown=in_s or None)


def canary(queue: str, nonce: str) -> None:
    """Ask a worker of ``queue`` to show that it lives; raises Unavailable when the broker does not take it."""
    _send_or_refuse(CANARY_TASK, [nonce], queue=queue)


def depth(queue: str) -> int:
    """Return how many messages wait on ``queue``; raises Unavailable when the broker is down."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
            channel: Any = connection.default_channel
            try:
                return int(channel.queue_declare(queue=queue, passive=True).message_count)
            except connection.channel_errors:
                return 0
    except (OperationalError, OSError) as error:
        raise Unavailable(f"The broker does not answer: {error}") from error


def _send(name: str, args: list[Any], *, queue: str, **options: Any) -> None:
    """Publish by name; none of a task's own options apply, so the queue is said here."""
    current_app.send_task(name, args=args, queue=queue, ignore_result=True, retry=True, **options)


def _send_or_refuse(name: str, args: list[Any], *, queue: str, **options: Any) -> None:
    try:
        _send(name, args, queue=queue, **options)
    except (OperationalError, OSError) as error:
        raise Unavailable(f"The queue does not take messages: {error}", code="queue_unavailable") from error
