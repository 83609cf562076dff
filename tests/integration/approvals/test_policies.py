"""The rows of policies: they are changed by permission, refused when malformed, and in force at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission
from django.test import Client

from aiops.approvals import policies
from aiops.approvals.models import ApprovalPolicy
from aiops.approvals.values import Outcome, Subject
from aiops.people.models import User
from aiops.tool_servers.client.values import ToolClass

pytestmark = pytest.mark.django_db
PATH = "/api/approval-policies/"
WRITE = Subject("net", "restart", ToolClass.WRITE, "chat", "LAB")


@pytest.fixture
def client(user: User) -> Client:
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="approvals"))
    made = Client()
    made.force_login(user)
    return made


def post(client: Client, **fields: Any) -> Any:
    return client.post(PATH, {"position": 1, "outcome": "auto", **fields}, content_type="application/json")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"outcome": "sometimes"}, "outcome"),
        ({"outcome": "ask_role"}, "role"),
        ({"outcome": "ask_role", "role": "nobody"}, "role"),
        ({"outcome": "auto", "role": "approvers"}, "role"),
        ({"outcome": "auto", "expires_s": 600}, "expires_s"),
        ({"outcome": "ask_user", "expires_s": 1}, "expires_s"),
        ({"tool": "restart"}, "server"),
        ({"tool_class": "harmless"}, "tool_class"),
        ({"agent_kind": "robot"}, "agent_kind"),
        ({"environment": "HOME"}, "environment"),
        ({"position": 0}, "position"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_malformed_policy_is_refused_and_names_the_field(client: Client, fields: dict[str, Any], wrong: str) -> None:
    Group.objects.get_or_create(name="approvers")
    response = post(client, **fields)
    assert response.status_code == 400, response.content
    assert wrong in response.json()["errors"]
    assert not ApprovalPolicy.objects.exists()


def test_a_saved_policy_decides_and_one_that_is_deleted_does_not(client: Client) -> None:
    assert policies.read().verdict(WRITE).outcome is Outcome.ASK_USER
    made = post(client, server="net", tool="restart", outcome="never").json()
    verdict = policies.read().verdict(WRITE)
    assert (verdict.outcome, verdict.policy) == (Outcome.NEVER, "policy 1: server=net tool=restart → never")
    assert client.delete(f"{PATH}{made['id']}/").status_code == 204
    assert policies.read().verdict(WRITE).outcome is Outcome.ASK_USER


def test_the_lowest_position_decides(client: Client) -> None:
    post(client, position=20, outcome="never")
    post(client, position=10, outcome="auto")
    assert policies.read().verdict(WRITE).outcome is Outcome.AUTO


def test_a_row_that_this_version_does_not_understand_allows_nothing(db: None) -> None:
    ApprovalPolicy.objects.bulk_create([ApprovalPolicy(position=1, outcome="later")])
    verdict = policies.read().verdict(WRITE)
    assert verdict.outcome is Outcome.NEVER
    assert "malformed" in verdict.policy


def test_policies_are_seen_and_changed_by_permission_alone(user: User) -> None:
    stranger = Client()
    stranger.force_login(user)
    assert stranger.get(PATH).status_code == 403
    assert post(stranger).status_code == 403


def test_changes_of_policies_are_in_their_history(client: Client) -> None:
    made = post(client).json()
    client.patch(f"{PATH}{made['id']}/", {"outcome": "never"}, content_type="application/json")
    latest, first = client.get(f"{PATH}{made['id']}/history/").json()["results"]
    assert (latest["actor"], latest["changes"]["outcome"]) == ("ann", ["auto", "never"])
    assert first["actor"] == "ann"
