"""What counts when a call is about to be made: the policies, grants, decisions and results of now."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group

from aiops.agent.memory.process import ProcessSaver
from aiops.approvals import expiring
from aiops.approvals.models import Approval, ApprovalItem, ApprovalPolicy
from aiops.approvals.values import Choice
from aiops.batches import lifecycle as batches
from aiops.events import types
from aiops.events.redaction import learn
from aiops.llm.values import Models
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.states import State
from aiops.runs.work import rows, story
from aiops.runs.work.stopping import Stop
from tests.integration.approvals.conftest import RESTART_A, Asker
from tests.integration.scripted_model import calling, words
from tests.models import STUB

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS
Script = Callable[..., Any]


@pytest.fixture
def run(ask: Callable[..., Run], sent: list[str]) -> Run:
    return ask("restart a")


async def test_a_policy_that_becomes_stricter_while_a_run_works_counts_at_once(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    policy = await asker.of(ApprovalPolicy.objects.create, position=1, tool_class="write", outcome="auto")
    script(calling("net_look", "{}"), RESTART_A, words("Done."))

    async def forbid() -> None:
        await asker.of(ApprovalPolicy.objects.filter(pk=policy.pk).update, outcome="never")
        asker.tools.fail = lambda: None

    asker.tools.fail = forbid  # in the middle of the first, reading call
    await asker.work(run)
    assert asker.tools.made == [("look", {})]


async def test_a_fallback_without_memory_goes_on_after_an_approved_call(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dataclasses.replace(STUB, name="dear", fallbacks=("cheap",))
    second = dataclasses.replace(STUB, name="cheap")
    models = Models((first, second), first)

    async def work(run: Run) -> Run:
        made = await asker.of(transitions.claim, str(run.pk), worker="w", lease_s=60)
        assert made is not None
        assignment = await asker.of(rows.assignment, made, batches.schema_of, models)
        await story.answer(assignment, asker.context, Stop())
        return await asker.of(Run.objects.get, pk=run.pk)

    class Away(ProcessSaver):
        async def aget_tuple(self, config: Any) -> Any:
            raise ConnectionError("redis is away")

    asker.context.memory = lambda: Away()
    asker.context.memory_away = (ConnectionError,)
    script(RESTART_A, [ConnectionError("the model is down")], words("Done."))
    waiting = await work(run)
    assert waiting.state == State.WAITING_APPROVAL, waiting.error
    await asker.decide(user, run, "approve")
    ended = await work(run)
    assert asker.tools.made == [("restart", {"host": "a"})]
    assert (ended.state, ended.answer) == (State.SUCCEEDED, "Done.")


async def test_clocks_of_workers_that_differ_do_not_change_which_step_was_asked_last(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    import uuid_utils.compat

    script(RESTART_A, calling("net_restart", '{"host": "b"}'), words("Done."), words("Never."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    early = uuid_utils.compat.uuid7(timestamp=1_700_000_000)
    field = Approval._meta.get_field("id")
    with monkeypatch.context() as patch:  # the second worker's clock is behind
        patch.setattr(field, "default", lambda: early)
        patch.setattr(
            type(field), "get_default", lambda self: self.default() if callable(self.default) else self.default
        )
        assert (await asker.work(run)).state == State.WAITING_APPROVAL
    await asker.decide(user, run, "approve")
    ended = await asker.work(run)
    assert [arguments["host"] for _, arguments in asker.tools.made] == ["a", "b"], (ended.state, ended.answer)


async def test_a_decision_that_is_announced_late_does_not_swallow_the_workers_events(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    later: list[Any] = []
    monkeypatch.setattr("aiops.background.run_later", lambda f, *a, **o: later.append(lambda: f(*a, **o)))
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")

    async def announced() -> None:
        for one in later:
            await asker.of(one)

    asker.tools.fail = announced
    assert (await asker.work(run)).state == State.SUCCEEDED
    assert types.SUCCEEDED in [event.type for event in await asker.events(run)]


async def test_the_hash_that_is_shown_is_that_of_the_arguments_that_are_shown(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    from aiops.approvals.shapes import ApprovalItemOut
    from aiops.tool_servers.client.canonical import hash_of_arguments

    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.EDIT, "arguments": {"host": "b"}})
    item = await asker.of(ApprovalItem.objects.select_related("approval").get)
    shown = ApprovalItemOut(item).data
    assert shown["arguments_hash"] == hash_of_arguments(shown["arguments"])


async def test_what_a_deactivated_member_of_the_group_allowed_counts_no_more(
    run: Run, user: User, asker: Asker, script: Script, ask: Callable[..., Run], approver: User
) -> None:
    carl = await asker.of(User.objects.create_user, "carl", password="correct-horse-battery")
    await asker.of(carl.groups.add, await asker.of(Group.objects.get, name="approvers"))
    await asker.of(ApprovalPolicy.objects.create, position=1, tool_class="write", outcome="ask_role", role="approvers")
    script(RESTART_A, words("One."), RESTART_A)
    await asker.work(run)
    await asker.decide(approver, run, {"choice": Choice.APPROVE, "remember": True})
    await asker.work(run)
    await asker.of(User.objects.filter(pk=approver.pk).update, is_active=False)
    second = await asker.of(ask, "again", run.conversation_id)
    assert (await asker.work(second)).state == State.WAITING_APPROVAL


async def test_what_the_model_reads_of_edited_arguments_is_redacted_like_every_result(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    learn("hunter2-hunter2-hunter2")
    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, {"choice": Choice.EDIT, "arguments": {"host": "hunter2-hunter2-hunter2"}})
    await asker.work(run)
    memory = await asker.context.memory().aget_tuple({"configurable": {"thread_id": str(run.conversation_id)}})
    (result,) = [one for one in memory.checkpoint["channel_values"]["messages"] if one.type == "tool"]
    assert "hunter2" not in result.text


async def test_arguments_are_shown_without_known_secrets_as_in_the_steps_of_the_run(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    from aiops.approvals.shapes import ApprovalItemOut

    learn("swordfish-swordfish-swordfish")
    script(calling("net_restart", '{"host": "swordfish-swordfish-swordfish"}'), words("Done."))
    await asker.work(run)
    item = await asker.of(ApprovalItem.objects.select_related("approval").get)
    assert "swordfish" not in json.dumps(ApprovalItemOut(item).data["arguments"])


async def test_an_approved_call_that_a_limit_refuses_is_not_recorded_as_executed(
    run: Run, user: User, asker: Asker, script: Script
) -> None:
    asker.tools.offered = tuple(
        dataclasses.replace(one, calls_per_run=1) if one.remote_name == "restart" else one
        for one in asker.tools.offered
    )
    script(RESTART_A, calling("net_restart", '{"host": "b"}'), words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    second = await asker.work(run)
    assert second.state != State.WAITING_APPROVAL, "people are asked about a call that no decision lets be made"


async def test_an_end_that_cannot_be_stored_closes_what_was_approved(
    run: Run, user: User, asker: Asker, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import DataError

    script(RESTART_A, words("Done."))
    await asker.work(run)
    await asker.decide(user, run, "approve")
    asker.tools.offered = ()  # the server is away: the call is not made
    finish = transitions.finish
    seen: list[Any] = []

    def refuse(claim: Any, ending: Any) -> Any:
        seen.append(ending)
        if len(seen) == 1:
            raise DataError("no")
        return finish(claim, ending)

    monkeypatch.setattr(transitions, "finish", refuse)
    ended = await asker.work(run)
    assert ended.state == State.FAILED
    item = await asker.of(ApprovalItem.objects.get)
    assert item.state == "closed"


async def test_the_last_member_that_leaves_the_group_does_not_leave_the_run_waiting(
    run: Run, user: User, asker: Asker, script: Script, approver: User
) -> None:
    script(calling("net_wipe", '{"host": "a"}'), words("Not."))
    await asker.work(run)
    await asker.of(lambda: Group.objects.filter(name="approvers").update(name="deciders"))
    await asker.of(expiring.expire, SETTINGS)
    assert (await asker.of(Run.objects.get, pk=run.pk)).state == State.QUEUED
