"""What a run waits for: in the queue, in words, or the decision of people."""

from __future__ import annotations

from uuid import UUID

from aiops.approvals.values import ApprovalState
from aiops.runs import states
from aiops.runs.models import Run
from aiops.runs.states import State

MOST_COUNTED = 1_000


def approval_of(run: Run) -> UUID | None:
    """Return the id of the approval that a run waits for."""
    if run.state != State.WAITING_APPROVAL:
        return None
    return run.approvals.filter(state=ApprovalState.PENDING).values_list("pk", flat=True).first()


def behind(run: Run) -> str:
    """Return a sentence about a run's place in the queue; empty when it is not queued."""
    if run.state == State.WAITING_APPROVAL:
        return "Waiting for a decision…"
    if run.state != State.QUEUED:
        return ""
    own = Run.objects.filter(
        conversation=run.conversation_id, position__lt=run.position, state__in=states.UNFINISHED
    ).count()
    if own:
        return f"Waiting behind {own} of yours in this conversation…"
    if run.sent_at is None:
        return "Queued…"
    earlier = Run.objects.filter(state=State.QUEUED, queue=run.queue, sent_at__lt=run.sent_at).exclude(pk=run.pk)
    ahead = len(earlier.values_list("pk", flat=True)[: MOST_COUNTED + 1])
    if not ahead:
        return "Next in the queue: the first free worker takes it."
    count = f"more than {MOST_COUNTED:,}" if ahead > MOST_COUNTED else str(ahead)
    return f"Waiting in the queue: {count} message{' is' if ahead == 1 else 's are'} ahead…"
