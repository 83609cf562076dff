"""The queue: task and queue names, and one function per kind of message; nothing else publishes to the broker."""

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
"""Queues of runs: interactive ones, and batch items, which must not delay them."""
QUEUES = (*RUN_QUEUES, UPKEEP_QUEUE)
DEAD_QUEUE = "dead"
"""Dead letters: messages that no worker could read (RabbitMQ only)."""

VERSION = 1
"""Version of the messages on the runs queue; a worker leaves newer ones to newer workers."""
RUN_TASK = "aiops.run"
VALIDATE_TASK = "aiops.batch.validate"
UPKEEP_TASK = "aiops.upkeep"
CANARY_TASK = "aiops.canary"
ABOUT = "aiops_about"
"""Remote-control command that every worker answers: see ``workers/about.py``."""

logger = log.get(__name__)


def run(run_id: str, *, queue: str = RUNS_QUEUE, version: int = VERSION) -> bool:
    """Put a run's id on its queue; False, logged, if the broker did not accept it (the reaper sends it again)."""
    return _try_to_send(RUN_TASK, [run_id], queue=queue, kwargs={"version": version}, context={"run": run_id})


def validate(batch_id: str) -> bool:
    """Request the validation of a batch; False, logged, if the broker did not accept it (a job requests it again)."""
    return _try_to_send(VALIDATE_TASK, [batch_id], queue=BATCH_QUEUE, context={"batch": batch_id})


def upkeep(job: str, *, request_id: str, in_s: int = 0) -> None:
    """Request one maintenance job, now or in ``in_s`` seconds; raises Unavailable if the broker does not accept it."""
    _send(UPKEEP_TASK, [job], queue=UPKEEP_QUEUE, kwargs={"request_id": request_id}, countdown=in_s or None)


def canary(queue: str, nonce: str) -> None:
    """Ask a worker of ``queue`` for a sign of life; raises Unavailable if the broker does not accept the message."""
    _send(CANARY_TASK, [nonce], queue=queue)


def depth(queue: str) -> int:
    """Return how many messages wait on ``queue``; raises Unavailable if the broker is down."""
    declared = _declared(queue)
    return declared.message_count if declared else 0


def workers(*, within_s: float) -> list[dict[str, Any]]:
    """Ask all workers about themselves; return the answers of this time by ``name``; raises Unavailable."""
    try:
        replies = current_app.control.broadcast(ABOUT, reply=True, timeout=within_s) or []
    except (OperationalError, OSError) as error:
        raise Unavailable(f"The broker does not answer: {error}") from error
    answers = [{**answer, "name": name} for reply in replies for name, answer in reply.items() if "host" in answer]
    return sorted(answers, key=lambda answer: str(answer["name"]))


def consumers(queue: str) -> int | None:
    """Return how many workers take from ``queue``, by RabbitMQ's count; None where the broker does not count them.

    Raises Unavailable if the broker is down.
    """
    with current_app.connection_for_read() as connection:
        if connection.transport.driver_type != "amqp":
            return None
    declared = _declared(queue)
    return declared.consumer_count if declared else 0


def _declared(queue: str) -> Any:
    """Return RabbitMQ's or kombu's answer about a queue: its counts; None if there is no such queue."""
    try:
        with current_app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=2)
            channel: Any = connection.default_channel
            try:
                return channel.queue_declare(queue=queue, passive=True)
            except connection.channel_errors:
                return None
    except (OperationalError, OSError) as error:
        raise Unavailable(f"The broker does not answer: {error}") from error


def _send(name: str, args: list[Any], *, queue: str, **options: Any) -> None:
    """Publish by task name, so that the web process need not import the tasks; the task's own options do not apply."""
    try:
        current_app.send_task(name, args=args, queue=queue, ignore_result=True, retry=True, **options)
    except (OperationalError, OSError) as error:
        raise Unavailable(f"The queue does not accept messages: {error}", code="queue_unavailable") from error


def _try_to_send(name: str, args: list[Any], *, context: dict[str, str], **options: Any) -> bool:
    try:
        _send(name, args, **options)
    except Unavailable as error:
        logger.warning("dispatch.failed", **context, error=str(error))
        return False
    return True
