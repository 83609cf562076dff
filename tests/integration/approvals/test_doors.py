"""The calls of approvals: who sees and decides what, exactly as the contract says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from aiops.approvals.models import Approval, ApprovalItem, Grant
from aiops.audit.models import AuditRow
from aiops.people.models import User
from aiops.runs.models import Run
from aiops.runs.states import State
from tests.integration.approvals.conftest import RESTART, SCHEMA, WIPE

pytestmark = pytest.mark.django_db
PATH = "/api/approvals/"
Waiting = Callable[..., Approval]


def signed_in(user: User) -> Client:
    made = Client()
    made.force_login(user)
    return made


@pytest.fixture
def waiting(ask: Callable[..., Run], user: User, sent: list[str]) -> Waiting:
    """Make a run that waits for decisions about calls of these tools."""

    def make(*tools: Any, **changes: Any) -> Approval:
        run = ask("restart a")
        Run.objects.filter(pk=run.pk).update(state=State.WAITING_APPROVAL, fence=1)
        approval = Approval.objects.create(
            run=run,
            requester=user,
            message={"type": "ai", "data": {"id": "m"}, "results": []},
            may_decide=["ann"],
            expires_at="2099-01-01T00:00:00Z",
            **changes,
        )
        for number, tool in enumerate(tools or (RESTART,)):
            ApprovalItem.objects.create(
                approval=approval,
                number=number,
                call_id=f"c{number}",
                server=tool.server,
                tool=tool.remote_name,
                name=tool.name,
                tool_class=tool.tool_class,
                arguments={"host": "a"},
                shown_arguments={"host": "a"},
                arguments_hash="0" * 64,
                parameters=SCHEMA,
                policy="standard 2",
                role="approvers" if tool is WIPE else "",
            )
        return approval

    return make


def decide(client: Client, approval: Approval, *decisions: dict[str, Any]) -> Any:
    items = [
        {"id": str(item.pk), **one} for item, one in zip(approval.items.order_by("number"), decisions, strict=False)
    ]
    return client.post(f"{PATH}{approval.pk}/decide/", {"items": items}, content_type="application/json")


def test_an_approval_has_the_fields_of_the_contract(waiting: Waiting, user: User) -> None:
    approval = waiting()
    found = signed_in(user).get(f"{PATH}{approval.pk}/").json()
    assert (found["state"], found["requested_by"], found["may_decide"]) == ("pending", "ann", ["ann"])
    assert (found["run"], found["conversation"]) == (str(approval.run_id), str(approval.run.conversation_id))
    assert found["incident"] is None
    (item,) = found["items"]
    assert (item["server"], item["tool"], item["tool_class"], item["state"]) == ("net", "restart", "write", "pending")
    assert (item["arguments"], item["is_mine"]) == ({"host": "a"}, True)
    run = signed_in(user).get(f"/api/runs/{approval.run_id}/").json()
    assert (run["state"], run["approval"]) == ("waiting_approval", str(approval.pk))


def test_the_last_decision_queues_the_run_again(waiting: Waiting, user: User) -> None:
    approval = waiting(RESTART, RESTART)
    client = signed_in(user)
    incomplete = decide(client, approval, {"decision": "approve"})
    assert incomplete.status_code == 400
    assert "Missing" in incomplete.json()["errors"]["items"][0]
    assert set(approval.items.values_list("state", flat=True)) == {"pending"}, "nothing is consumed"
    both = decide(client, approval, {"decision": "approve"}, {"decision": "reject", "reason": "no"})
    assert both.status_code == 200, both.content
    assert (both.json()["state"], [one["state"] for one in both.json()["items"]]) == (
        "decided",
        ["approved", "rejected"],
    )
    assert Run.objects.get(pk=approval.run_id).state == State.QUEUED
    again = decide(client, approval, {"decision": "approve"}, {"decision": "approve"})
    assert (again.status_code, again.json()["code"]) == (409, "already_decided")


@pytest.mark.parametrize(
    ("decision", "wrong"),
    [
        ({"decision": "maybe"}, "items.0.decision"),
        ({"decision": "edit"}, "items.0.arguments"),
        ({"decision": "edit", "arguments": {"host": 1}}, "items.0.arguments"),
        ({"decision": "edit", "arguments": {}}, "items.0.arguments"),
        ({"decision": "approve", "arguments": {"host": "b"}}, "items.0.arguments"),
        ({"decision": "answer"}, "items.0.text"),
        ({"decision": "approve", "text": "x"}, "items.0.text"),
        ({"decision": "reject", "remember": True}, "items.0.remember"),
        ({"decision": "approve", "tool": "net_wipe"}, "items.0.tool"),
    ],
)
def test_a_decision_that_cannot_be_meant_consumes_nothing(
    waiting: Waiting, user: User, decision: dict[str, Any], wrong: str
) -> None:
    approval = waiting()
    response = decide(signed_in(user), approval, decision)
    assert response.status_code == 400, response.content
    assert wrong in response.json()["errors"], response.json()
    assert approval.items.get().state == "pending"


def test_what_destroys_waits_for_the_group_and_what_only_writes_for_who_asked(
    waiting: Waiting, user: User, approver: User
) -> None:
    approval = waiting(RESTART, WIPE)
    ids = [str(item.pk) for item in approval.items.order_by("number")]
    theirs = signed_in(approver).post(
        f"{PATH}{approval.pk}/decide/",
        {"items": [{"id": ids[1], "decision": "approve"}]},
        content_type="application/json",
    )
    assert theirs.status_code == 200, theirs.content
    assert theirs.json()["state"] == "pending", "the other call waits for who asked"
    foreign = signed_in(user).post(
        f"{PATH}{approval.pk}/decide/",
        {"items": [{"id": ids[0], "decision": "approve"}, {"id": ids[1], "decision": "reject"}]},
        content_type="application/json",
    )
    assert foreign.status_code == 400
    own = decide(signed_in(user), approval, {"decision": "approve"})
    assert own.json()["state"] == "decided"
    assert [item.decided_by_name for item in approval.items.order_by("number")] == ["ann", "bob"]


def test_strangers_see_nothing_and_those_who_may_look_decide_nothing(waiting: Waiting, db: None) -> None:
    approval = waiting()
    stranger = User.objects.create_user("eve", password="correct-horse-battery")
    assert signed_in(stranger).get(f"{PATH}{approval.pk}/").status_code == 404
    assert decide(signed_in(stranger), approval, {"decision": "approve"}).status_code == 404
    root = User.objects.create_superuser("root", password="correct-horse-battery")
    assert signed_in(root).get(f"{PATH}{approval.pk}/").status_code == 200
    refused = decide(signed_in(root), approval, {"decision": "approve"})
    assert refused.status_code == 403
    assert "ann" in refused.json()["detail"]


def test_lists_have_what_waits_for_me_and_what_i_asked(waiting: Waiting, user: User, approver: User) -> None:
    mine, theirs = waiting(), waiting(WIPE)

    def ids(who: User, query: str) -> set[str]:
        return {one["id"] for one in signed_in(who).get(f"{PATH}?{query}").json()["results"]}

    assert ids(user, "mine=true") == {str(mine.pk)}
    assert ids(user, "asked=true&state=pending") == {str(mine.pk), str(theirs.pk)}
    assert ids(approver, "mine=true") == {str(theirs.pk)}
    assert ids(approver, "asked=true") == set()
    assert signed_in(user).get(f"{PATH}?surprise=1").status_code == 400


def test_decisions_and_what_is_taken_back_are_in_the_audit_log_without_arguments_in_clear(
    waiting: Waiting, user: User
) -> None:
    approval = waiting()
    decide(signed_in(user), approval, {"decision": "edit", "arguments": {"host": "b-secret"}, "remember": True})
    (grant,) = signed_in(user).get("/api/approval-grants/").json()["results"]
    signed_in(user).delete(f"/api/approval-grants/{grant['id']}/")
    decided, revoked = AuditRow.objects.filter(action__startswith="approval.").order_by("sequence")
    assert (decided.actor, decided.object) == ("ann", f"approval:{approval.pk}")
    assert (decided.details["decision"], decided.details["tool"], decided.details["remember"]) == (
        "edit",
        "net/restart",
        True,
    )
    assert "b-secret" not in str(decided.details)
    assert revoked.details == {"tool": "net/restart"}


def test_only_a_post_decides(waiting: Waiting, user: User) -> None:
    approval = waiting()
    assert signed_in(user).get(f"{PATH}{approval.pk}/decide/").status_code == 405
    assert approval.items.get().state == "pending"


def test_an_allowed_tool_is_remembered_for_the_conversation_and_can_be_revoked(
    waiting: Waiting, user: User, approver: User
) -> None:
    approval = waiting()
    assert decide(signed_in(user), approval, {"decision": "approve", "remember": True}).status_code == 200
    (grant,) = signed_in(user).get("/api/approval-grants/").json()["results"]
    assert (grant["server"], grant["tool"], grant["granted_by"]) == ("net", "restart", "ann")
    assert signed_in(approver).delete(f"/api/approval-grants/{grant['id']}/").status_code == 404
    assert signed_in(user).delete(f"/api/approval-grants/{grant['id']}/").status_code == 204
    assert not Grant.objects.exists()
    destructive = waiting(WIPE)
    refused = decide(signed_in(approver), destructive, {"decision": "approve", "remember": True})
    assert "items.0.remember" in refused.json()["errors"]
