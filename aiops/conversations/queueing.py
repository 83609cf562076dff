"""Puts queued runs on the queue, and remembers whether that worked."""

from __future__ import annotations

from uuid import UUID

from aiops import dispatch
from aiops.conversations import transitions


def send(run_id: UUID | str) -> bool:
    """Dispatch a queued run; False when the broker did not take it (the reaper sends it later)."""
    sent = dispatch.run(str(run_id))
    transitions.mark_sent(str(run_id), sent=sent)
    return sent


def send_next(conversation_id: UUID | str) -> None:
    """Dispatch the conversation's next waiting run, if there is one."""
    waiting = transitions.next_in_line(conversation_id)
    if waiting is not None:
        send(waiting)
