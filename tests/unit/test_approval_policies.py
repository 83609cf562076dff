"""Which policy decides about a call, and that nothing that is not understood lets one be made."""

from __future__ import annotations

import pytest

from aiops.approvals.values import Outcome, Policies, Policy, Subject
from aiops.tool_servers.client.values import ToolClass


def subject(tool_class: ToolClass = ToolClass.WRITE, **changes: object) -> Subject:
    return Subject(
        **{  # type: ignore[arg-type]
            "server": "net",
            "tool": "restart",
            "tool_class": tool_class,
            "agent_kind": "chat",
            "environment": "PROD",
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("tool_class", "outcome", "role"),
    [
        (ToolClass.READ, Outcome.AUTO, ""),
        (ToolClass.WRITE, Outcome.ASK_USER, ""),
        (ToolClass.UNKNOWN, Outcome.ASK_USER, ""),
        (ToolClass.DESTRUCTIVE, Outcome.ASK_ROLE, "approvers"),
    ],
)
def test_without_rows_reading_is_free_and_what_changes_something_is_asked_about(
    tool_class: ToolClass, outcome: Outcome, role: str
) -> None:
    verdict = Policies().verdict(subject(tool_class))
    assert (verdict.outcome, verdict.role) == (outcome, role)


def test_the_first_policy_that_fits_decides_and_is_named() -> None:
    rows = (
        Policy("one", Outcome.NEVER, environment="LAB"),
        Policy("two", Outcome.ASK_ROLE, role="oncall", server="net", tool="restart"),
        Policy("three", Outcome.AUTO),
    )
    verdict = Policies(rows).verdict(subject())
    assert (verdict.outcome, verdict.role, verdict.policy) == (Outcome.ASK_ROLE, "oncall", "two")
    assert Policies(rows).verdict(subject(tool="look")).policy == "three"


@pytest.mark.parametrize("field", ["tool_class", "server", "tool", "agent_kind", "environment"])
def test_a_policy_fits_only_where_each_of_its_fields_does(field: str) -> None:
    given = subject()
    fitting = {field: getattr(given, field)}
    assert Policy("p", Outcome.NEVER, **fitting).fits(given)  # type: ignore[arg-type]
    assert not Policy("p", Outcome.NEVER, **{field: "other"}).fits(given)  # type: ignore[arg-type]


def test_a_policy_about_writing_is_about_tools_without_a_class_as_well() -> None:
    assert Policy("p", Outcome.NEVER, tool_class="write").fits(subject(ToolClass.UNKNOWN))
    assert not Policy("p", Outcome.NEVER, tool_class="unknown").fits(subject(ToolClass.WRITE))


def test_a_run_that_nobody_attends_never_writes_without_a_person() -> None:
    free = Policies((Policy("free", Outcome.AUTO),))
    assert free.verdict(subject()).outcome is Outcome.AUTO
    verdict = free.verdict(subject(unattended=True))
    assert (verdict.outcome, verdict.policy) == (Outcome.ASK_USER, "free (nobody attends this run)")
    assert free.verdict(subject(ToolClass.READ, unattended=True)).outcome is Outcome.AUTO


def test_a_middleware_of_the_model_can_only_make_the_policies_stricter() -> None:
    rows = (Policy("free", Outcome.AUTO, tool_class="write"), Policy("no", Outcome.NEVER, tool_class="destructive"))
    policies = Policies(rows, asked_by_chain=frozenset({"net_restart"}))
    assert policies.verdict(subject(), name="net_restart").outcome is Outcome.ASK_USER
    assert policies.verdict(subject(), name="net_other").outcome is Outcome.AUTO
    assert policies.verdict(subject(ToolClass.DESTRUCTIVE), name="net_restart").outcome is Outcome.NEVER
