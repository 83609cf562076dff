"""Verifies the chain page by page: names the first row that was changed or is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiops.audit import signing
from aiops.audit.hashing import GENESIS, hash_of
from aiops.audit.models import AuditRow, Checkpoint

PAGE = 5_000
"""Rows of one page: about a third of a second."""
KEY_LOST = (
    "it was changed, or a key signed it that is neither AIOPS_SECRET_KEY nor one of AIOPS_SECRET_KEY_FALLBACKS "
    "(docs/operations/audit.md)"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at a row, as the end of the sentence "Row 7 …"."""

    sequence: int
    what: str

    def __str__(self) -> str:
        return f"Row {self.sequence} {self.what}."


@dataclass(frozen=True, slots=True)
class Place:
    """A row up to which the chain is known, and its hash."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Verified:
    """One page: how many rows it had, the last of them that is well, whether it is the end, and what is wrong."""

    checked: int
    last: Place
    done: bool
    problem: Problem | None = None


def verify(after: int | None = None, *, limit: int = PAGE) -> Verified:
    """Verify the rows behind ``after``, which is the end of the page before; None: from the beginning."""
    while True:
        anchor = _anchor()
        start, problem = _start(anchor, after)
        found = Verified(0, start, True, problem) if problem else _page(start, limit)
        # retention may have removed rows meanwhile, so that their absence is no problem
        if found.problem is None or _anchor() == anchor:
            return found


def follows(rows: Iterable[AuditRow], place: Place) -> tuple[Place, Problem | None]:
    """Return the last of these rows that is well, and what is wrong with the next."""
    for row in rows:
        if problem := _problem(row, place):
            return place, problem
        place = Place(row.sequence, row.hash)
    return place, None


def _anchor() -> Checkpoint | None:
    return Checkpoint.objects.filter(kind=Checkpoint.Kind.PRUNED).order_by("-sequence").first()


def _start(anchor: Checkpoint | None, after: int | None) -> tuple[Place, Problem | None]:
    """Return where to begin: behind the rows that were pruned, or behind an earlier page."""
    place = Place(0, GENESIS) if anchor is None else Place(anchor.sequence, anchor.hash)
    if after is not None and after > place.sequence:
        row = AuditRow.objects.filter(sequence__lte=after).order_by("-sequence").first()
        if row is None or row.sequence < after:
            missing = (row or place).sequence + 1
            return Place(missing - 1, ""), Problem(missing, "is missing")
        return Place(after, row.hash), None
    if anchor is None:
        return place, None
    if not signing.is_signed(anchor):
        what = f"was the last to be removed, but the checkpoint that says so is not signed: {KEY_LOST}"
        return place, Problem(place.sequence, what)
    older = AuditRow.objects.filter(sequence__lte=place.sequence).order_by("sequence").first()
    return place, Problem(older.sequence, "is there, although it was removed") if older else None


def _page(start: Place, limit: int) -> Verified:
    # read before the rows: what a checkpoint has seen must be among them
    newest = Checkpoint.objects.order_by("-sequence", "-id").first()
    signed: dict[int, list[Checkpoint]] = {}
    for one in Checkpoint.objects.filter(sequence__gt=start.sequence, sequence__lte=start.sequence + limit):
        signed.setdefault(one.sequence, []).append(one)
    rows = list(AuditRow.objects.filter(sequence__gt=start.sequence).order_by("sequence")[:limit])
    place, problem = start, None
    for row in rows:
        after, problem = follows([row], place)
        problem = problem or _differs(row, signed.get(row.sequence, ()))
        if problem:
            break
        place = after
    done = problem is not None or len(rows) < limit
    if problem is None and done and newest is not None and newest.sequence > place.sequence:
        problem = Problem(place.sequence + 1, f"is missing, and all up to row {newest.sequence}, which {_was(newest)}")
    return Verified(place.sequence - start.sequence, place, done, problem)


def _problem(row: AuditRow, before: Place) -> Problem | None:
    if row.sequence != before.sequence + 1:
        return Problem(before.sequence + 1, "is missing")
    try:
        computed = hash_of(row)
    except (ValueError, AttributeError, TypeError):  # of values that ``recording`` has not written
        computed = ""
    if computed != row.hash:
        return Problem(row.sequence, "was changed: its hash is not that of its values")
    if row.previous_hash != before.hash:
        return Problem(row.sequence, "does not follow the row before it: one of the two was changed")
    return None


def _differs(row: AuditRow, signed: Sequence[Checkpoint]) -> Problem | None:
    for one in signed:
        if not signing.is_signed(one):
            return Problem(row.sequence, f"has a checkpoint that is not signed: {KEY_LOST}")
        if one.hash != row.hash:
            return Problem(row.sequence, f"or one before it was changed: it had another hash when it {_was(one)}")
    return None


def _was(checkpoint: Checkpoint) -> str:
    return f"was signed at {checkpoint.at:%Y-%m-%d %H:%M:%S} UTC"
