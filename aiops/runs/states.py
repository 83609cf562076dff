"""The states of a run and the facts about each. It imports nothing of ours, so that the CLI uses it too.

queued → running → succeeded | failed | cancelled; running → queued when its lease expires or its worker drains.
running → waiting_approval → queued when people must decide about a call of a tool; waiting_approval → cancelled.
Items of a batch also: queued → expired.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


@dataclass(frozen=True, slots=True)
class Facts:
    """Facts about a run in this state."""

    ended: bool = False
    """The state is final."""
    active: bool = False
    """It has started and not ended: at most one such run per conversation."""
    holds_worker: bool = False
    """A worker has claimed it and renews its lease: only that worker can stop it."""


class State(StrEnum):
    """State of a run, with the facts about it."""

    _value_: str
    facts: Facts

    def __new__(cls, value: str, facts: Facts = Facts()) -> State:
        member = str.__new__(cls, value)
        member._value_ = value
        member.facts = facts
        return member

    QUEUED = "queued"
    RUNNING = "running", Facts(active=True, holds_worker=True)
    WAITING_APPROVAL = "waiting_approval", Facts(active=True)
    SUCCEEDED = "succeeded", Facts(ended=True)
    FAILED = "failed", Facts(ended=True)
    CANCELLED = "cancelled", Facts(ended=True)
    EXPIRED = "expired", Facts(ended=True)

    @property
    def last_event(self) -> str:
        """Type of the event that ends the stream of a run in this state; empty when the state is not final."""
        return f"run.{self.value}" if self.facts.ended else ""


ENDED = tuple(state for state in State if state.facts.ended)
UNFINISHED = tuple(state for state in State if not state.facts.ended)
ACTIVE = tuple(state for state in State if state.facts.active)
HOLDS_WORKER = tuple(state for state in State if state.facts.holds_worker)
STOPS_AT_ONCE = tuple(state for state in UNFINISHED if not state.facts.holds_worker)
"""Runs that no worker holds: cancelling is one UPDATE."""
CHOICES = [(state.value, state.value.replace("_", " ").capitalize()) for state in State]
"""(value, label) pairs, as Django and DRF take choices."""


class Place(IntEnum):
    """Order of the system events (those that no worker writes) under one fencing token, after the worker's own events.

    Events made from the row come last: a subscriber that has seen the stream's own end gets the end once.
    """

    REQUEUED = 1
    WAITING = 2
    DECIDED = 10
    """Plus how many calls of the approval are decided, at most as many as one message has."""
    ENDED = 100_000
    COMPLETED_FROM_ROW = 100_008
    ENDED_FROM_ROW = 100_009
