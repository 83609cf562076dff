"""Lets a run wait for people: the row and its approval in one transaction, then the event, and lives that last."""

from __future__ import annotations

from functools import partial

import redis
from django.db import transaction

from aiops import keyspace, log
from aiops.agent.parking import Parked
from aiops.approvals import asking, notifying
from aiops.approvals.models import Approval
from aiops.events import stream, types
from aiops.events.redaction import Redactor
from aiops.runs import parking
from aiops.runs.transitions import Ending
from aiops.runs.work.context import Assignment, RunContext
from aiops.runs.work.recorder import Recorder
from aiops.settings import Settings

logger = log.get(__name__)


async def park(assignment: Assignment, context: RunContext, recorder: Recorder, parked: Parked, so_far: Ending) -> bool:
    """Let the run wait; False, with nothing written, when it was stopped or its claim is lost."""
    write = partial(_write, redactor=context.redactor, settings=context.settings)
    approval = await context.in_thread(write, assignment, parked, so_far)
    if approval is None:
        return False
    logger.info("run.waits_for_approval", approval=str(approval.pk))
    await recorder.events.emit(types.WAITING_APPROVAL, approval=str(approval.pk))
    await context.in_thread(_prolong, assignment, approval, context.settings)
    return True


def _write(
    assignment: Assignment, parked: Parked, so_far: Ending, *, redactor: Redactor, settings: Settings
) -> Approval | None:
    with transaction.atomic():
        if not parking.park(assignment.claim, so_far):
            return None
        approval = asking.open_approval(
            assignment.claim.run_id,
            requester_id=assignment.user_id,
            message=parked.message,
            reason=parked.reason,
            asked=parked.asked,
            redactor=redactor,
            expires_s=settings.approval_s,
        )
        notifying.notify(approval, settings)
    return approval


def _prolong(assignment: Assignment, approval: Approval, settings: Settings) -> None:
    """Let the events and the memory outlive the wait; rows replace what is lost."""
    wait_s = int((approval.expires_at - approval.created_at).total_seconds())
    stream.renew([assignment.claim.run_id], ttl_s=wait_s + settings.stream_ttl_s)
    if settings.checkpointer == "redis":
        ttl_s = wait_s + settings.memory_ttl_s + settings.memory_grace_s
        try:
            keyspace.sync(settings.memory_redis).expire(keyspace.memory(assignment.conversation_id), ttl_s)
        except redis.RedisError as error:
            logger.warning("memory.not_prolonged", error=str(error))
