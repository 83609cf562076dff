"""A run that waits for people: what it asks, what is decided, and that each approved call is made exactly once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aiops.approvals.models import Approval
from aiops.approvals.values import Choice
from aiops.errors import Conflict, Forbidden, Invalid
from aiops.events import types
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from tests.integration.approvals.conftest import RESTART_A, Asker
from tests.integration.scripted_model import Turn, calling, words

pytestmark = pytest.mark.django_db(transaction=True)
Script = Callable[..., Any]


def calls(*made: tuple[str, str]) -> Turn:
    """Return a turn with several calls."""
    return [calling(name, arguments, call_id=f"c{n}")[0].model_copy() for n, (name, arguments) in enumerate(made)]


@pytest.fixture
def run(ask: Callable[..., Run], sent: list[str]) -> Run:
    return ask("restart a")


async def test_a_call_that_writes_waits_for_the_person_whose_run_it_is_and_is_made_once(
    run: Run, user: User, asker: Asker, script: Script, sent: list[str]
) -> None:
    script([*words("I restart it."), *RESTART_A], words("Done."))
    waiting = await asker.work(run)
    assert (waiting.state, waiting.answer, asker.tools.made) == (State.WAITING_APPROVAL, "I restart it.", [])
    assert (waiting.lease_until, waiting.worker) == (None, "")
    approval, (item,) = await asker.pending(run)
    assert (approval.may_decide, item.server, item.tool, item.tool_class) == (["ann"], "net", "restart", "write")
    assert (item.arguments, item.reason) == ({"host": "a"}, "I restart it.")
    assert item.facts["reversible"] == "unknown"
    assert [event.type for event in await asker.events(run)][-1] == types.WAITING_APPROVAL
    sent.clear()
    await asker.decide(user, run, "approve")
    assert (await asker.of(Run.objects.get, pk=run.pk)).state == State.QUEUED
    ended = await asker.work(run)
    assert (ended.state, ended.answer) == (State.SUCCEEDED, "I restart it.\n\nDone.")
    assert asker.tools.made == [("restart", {"host": "a"})]
    (step,) = ended.steps
    assert (step["status"], step["preview"]) == ("ok", "restart of a done")
    await asker.of(item.refresh_from_db)
    assert (item.state, item.decided_by_name, item.preview) == ("executed", "ann", "restart of a done")


async def test_calls_that_read_ask_nobody(run: Run, asker: Asker, script: Script) -> None:
    script(calling("net_look", "{}"), words("Fine."))
    assert (await asker.work(run)).state == State.SUCCEEDED
    assert asker.tools.made == [("look", {})]


async def test_memory_that_is_lost_meanwhile_is_made_anew_and_no_model_is_asked_for_the_step_again(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    model = script(calling("net_look", "{}"), [*words("I restart it."), *RESTART_A], words("Done."))
    await asker.work(run)
    asker.forget()
    await asker.decide(user, run, "approve")
    assert len(model.turns) == 1, "the model has said its step"
    ended = await asker.work(run)
    assert ended.state == State.SUCCEEDED
    assert ended.answer.endswith("Done.")
    assert model.turns == []
    assert asker.tools.made == [("look", {}), ("restart", {"host": "a"})]


async def test_a_rejected_call_is_not_made_and_the_model_reads_the_reason(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    model = script(RESTART_A, words("Then not."))
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.REJECT, "reason": "it serves customers"})
    ended = await asker.work(run)
    assert (ended.state, ended.answer, asker.tools.made) == (State.SUCCEEDED, "Then not.", [])
    (step,) = ended.steps
    assert step["status"] == "error"
    assert "it serves customers" in step["preview"]
    assert ended.notices == [], "a rejected tool has not failed"
    assert model.turns == []


async def test_edited_arguments_are_what_is_called_and_the_model_is_told(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.EDIT, "arguments": {"host": "b"}})
    ended = await asker.work(run)
    assert asker.tools.made == [("restart", {"host": "b"})]
    assert ended.steps[0]["arguments"] == {"host": "b"}
    memory = await asker.context.memory().aget_tuple({"configurable": {"thread_id": str(run.conversation_id)}})
    (result,) = [one for one in memory.checkpoint["channel_values"]["messages"] if one.type == "tool"]
    assert result.text.startswith('[ann changed the arguments before the call was made: {"host": "b"}]')


async def test_an_answer_instead_is_the_result_and_nothing_is_called(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Good."))
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.ANSWER, "text": "I did it by hand."})
    ended = await asker.work(run)
    assert asker.tools.made == []
    assert "I did it by hand." in ended.steps[0]["preview"]
    assert ended.steps[0]["status"] == "ok"


async def test_what_destroys_is_decided_by_a_member_of_the_group_and_not_by_who_asked(
    run: Run, user: User, approver: User, asker: Asker, script: Script
) -> None:
    script(calling("net_wipe", '{"host": "a"}'), words("Done."))
    await asker.work(run)
    approval, _ = await asker.pending(run)
    assert approval.may_decide == ["group approvers"]
    with pytest.raises(Forbidden):
        await asker.decide(user, run, "approve")
    await asker.decide(approver, run, "approve")
    assert (await asker.work(run)).state == State.SUCCEEDED
    assert asker.tools.made == [("wipe", {"host": "a"})]


async def test_a_call_that_nobody_may_decide_about_is_refused_at_once_and_names_the_cure(
    run: Run, asker: Asker, script: Script
) -> None:
    script(calling("net_wipe", '{"host": "a"}'), words("I may not."))
    ended = await asker.work(run)
    assert (ended.state, asker.tools.made) == (State.SUCCEEDED, [])
    assert "into the group 'approvers'" in ended.steps[0]["preview"]


async def test_several_calls_of_a_step_are_one_approval_and_each_has_its_own_decision(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    three = calls(*(("net_restart", f'{{"host": "{host}"}}') for host in "abc"), ("net_look", "{}"))
    for number, one in enumerate(three):
        one.tool_call_chunks[0]["index"] = number
    script(three, words("Done."))
    await asker.work(run)
    approval, items = await asker.pending(run)
    assert [item.arguments["host"] for item in items] == ["a", "b", "c"]
    with pytest.raises(Invalid) as refused:
        await asker.of(_decide_two, user, approval, items)
    assert "Missing" in refused.value.errors["items"][0]
    assert (await asker.of(Approval.objects.get, pk=approval.pk)).state == "pending"
    await asker.decide(user, run, "approve", {"choice": Choice.REJECT}, {"choice": Choice.ANSWER, "text": "done"})
    ended = await asker.work(run)
    assert sorted(asker.tools.made) == [("look", {}), ("restart", {"host": "a"})]
    assert [step["status"] for step in sorted(ended.steps, key=lambda one: one["arguments"].get("host", "z"))] == [
        "ok",
        "error",
        "ok",
        "ok",
    ]


def _decide_two(user: User, approval: Approval, items: list[Any]) -> None:
    from aiops.approvals.deciding import Decided, decide

    decide(user, approval.pk, [Decided(item.pk, Choice.APPROVE) for item in items[:2]])


async def test_a_second_decision_gets_a_conflict_that_says_what_happened(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    from aiops.approvals.deciding import Decided, decide

    script(RESTART_A, words("Done."))
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    await asker.decide(user, run, {"choice": Choice.REJECT})
    with pytest.raises(Conflict) as refused:
        await asker.of(decide, user, approval.pk, [Decided(item.pk, Choice.APPROVE)])
    assert refused.value.code == "already_decided"
    assert "restart rejected by ann" in refused.value.detail


async def test_a_call_under_way_when_its_worker_died_is_asked_about_again_and_made_only_if_a_person_says_so(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")

    class Died(BaseException):
        """The process ends."""

    def die() -> None:
        raise Died

    asker.tools.fail = die
    with pytest.raises(Died):
        await asker.work(run)
    assert len(asker.tools.made) == 1
    await asker.of(Run.objects.filter(pk=run.pk).update, state=State.QUEUED, lease_until=None)
    asker.tools.fail = lambda: None
    again = await asker.work(run)
    assert again.state == State.WAITING_APPROVAL
    assert len(asker.tools.made) == 1, "nobody said that it should be called again"
    _, (item,) = await asker.pending(run)
    assert item.facts["outcome_unknown"] is True
    await asker.decide(user, run, {"choice": Choice.ANSWER, "text": "It was restarted."})
    ended = await asker.work(run)
    assert (ended.state, len(asker.tools.made)) == (State.SUCCEEDED, 1)
    assert "It was restarted." in ended.steps[0]["preview"]


async def test_a_waiting_run_is_cancelled_at_once_and_its_approval_is_closed(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    script([*words("I restart it."), *RESTART_A])
    await asker.work(run)
    approval, (item,) = await asker.pending(run)
    await asker.of(transitions.request_cancel, [run.pk])
    ended = await asker.of(Run.objects.get, pk=run.pk)
    await asker.of(approval.refresh_from_db)
    await asker.of(item.refresh_from_db)
    assert (ended.state, approval.state, item.state) == (State.CANCELLED, "closed", "closed")
