"""The turns of a conversation, as its page and the page under its link show them: a hundred at a time."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from aiops.conversations.models import Conversation, Message
from aiops.runs import versions
from aiops.runs.models import Run

ON_ONE_PAGE = 100
Render = Callable[[str], str]
"""Makes safe HTML of an answer."""


@dataclass(frozen=True, slots=True)
class Window:
    """Some turns, and the positions before and after which there are more (None: there are not)."""

    turns: list[dict[str, Any]]
    older: int | None = None
    newer: int | None = None


def latest(conversation: Conversation, render: Render, *, before: int | None = None, at: int | None = None) -> Window:
    """Return the latest turns, or those before a position; ``at``: as they were at a position (``versions``)."""
    runs = _runs(conversation, at)
    rows = list((runs.filter(position__lt=before) if before else runs).order_by("-position")[: ON_ONE_PAGE + 1])
    shown = rows[:ON_ONE_PAGE][::-1]  # one more was read: are there older ones?
    is_last = not before or not runs.filter(position__gte=before).exists()
    return Window(
        _turns(shown, render),
        older=shown[0].position if len(rows) > ON_ONE_PAGE else None,
        newer=None if is_last else shown[-1].position if shown else 0,
    )


def after(conversation: Conversation, render: Render, position: int, *, at: int | None = None) -> Window:
    """Return the turns that follow a position."""
    rows = list(_runs(conversation, at).filter(position__gt=position).order_by("position")[: ON_ONE_PAGE + 1])
    shown = rows[:ON_ONE_PAGE]
    return Window(_turns(shown, render), newer=shown[-1].position if len(rows) > ON_ONE_PAGE else None)


def one(conversation: Conversation, render: Render, run_id: UUID) -> Window:
    """Return one turn that the transcript shows; none when there is no such."""
    return Window(_turns(list(_runs(conversation, None).filter(pk=run_id)), render))


def _runs(conversation: Conversation, at: int | None) -> QuerySet[Run]:
    return Run.objects.filter(versions.as_of(at), conversation=conversation).select_related("message")


def _turns(runs: Sequence[Run], render: Render) -> list[dict[str, Any]]:
    answers = {m.pk: m for m in Message.objects.filter(pk__in=[run.answer_id for run in runs])}
    others = _versions(runs)
    return [_turn(run, answers.get(run.answer_id), render) | others.get(run.pk, {}) for run in runs]


def _turn(run: Run, answer: Message | None, render: Render) -> dict[str, Any]:
    run.steps = [{**s, "arguments_text": json.dumps(s["arguments"], indent=2, ensure_ascii=False)} for s in run.steps]
    return {"run": run, "question": run.message, "html": render(answer.text) if answer else ""}


def _versions(runs: Sequence[Run]) -> dict[UUID, dict[str, Any]]:
    """Return, for each run that has other versions, its number, their count, and what leads to its neighbours."""
    places = {run.version_of for run in runs if run.version_of}
    if not places:
        return {}
    rows = versions.readable().filter(version_of__in=places).order_by("version_of", "position")
    shown: dict[UUID, dict[str, Any]] = {}
    for _, several in groupby(rows.values_list("version_of", "pk", "position", "replaced_at"), key=itemgetter(0)):
        links = [(pk, _leads_to(position, replaced_at)) for _, pk, position, replaced_at in several]
        for number, (pk, _) in enumerate(links):
            shown[pk] = {
                "version": number + 1,
                "versions": len(links),
                "earlier": links[number - 1][1] if number else None,
                "later": links[number + 1][1] if number + 1 < len(links) else None,
            }
    return shown


def _leads_to(position: int, replaced_at: int | None) -> str:
    """Return the query and anchor that lead to a version; a replaced one is shown as of just before that."""
    return f"?at={replaced_at - 1}#turn-{position}" if replaced_at is not None else f"?#turn-{position}"
