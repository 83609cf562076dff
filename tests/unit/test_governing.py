"""Which tools of a server's list may be used, and as what, by what administrators have decided."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aiops.tool_servers.client.governing import CHANGED, NEW, Withheld, believed_class, govern
from aiops.tool_servers.client.values import RemoteTool, ServerRules, ToolClass, ToolRule

TOOL = RemoteTool("net_look", "net", "look", "Look.", {"type": "object"}, tool_class=ToolClass.READ, pin="a")


def rules(rule: ToolRule | None = None, **of_server: bool) -> dict[str, ServerRules]:
    return {"net": ServerRules({"look": rule} if rule is not None else {}, **of_server)}


def test_tools_of_a_server_without_rules_are_used_as_they_are_offered() -> None:
    assert govern([TOOL], {}).tools == (TOOL,)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (None, NEW),
        (ToolRule(ToolClass.READ), NEW),
        (ToolRule(ToolClass.READ, pin="b"), CHANGED),
        (ToolRule(ToolClass.READ, pin="a", withheld="It is disabled."), "It is disabled."),
    ],
)
def test_a_tool_that_was_not_accepted_as_it_is_is_withheld_with_the_reason(rule: ToolRule | None, reason: str) -> None:
    governed = govern([TOOL], rules(rule))
    assert (governed.tools, governed.withheld) == ((), (Withheld("net", "look", reason),))


def test_an_accepted_tool_has_the_class_and_limits_that_were_decided() -> None:
    decided = ToolRule(ToolClass.DESTRUCTIVE, pin="a", call_s=5, max_result_bytes=100, calls_per_run=2)
    (tool,) = govern([TOOL], rules(decided)).tools
    assert tool == replace(TOOL, tool_class=ToolClass.DESTRUCTIVE, call_s=5, max_result_bytes=100, calls_per_run=2)
    assert not tool.read_only


def test_a_tool_that_was_in_use_before_there_were_pins_stays_in_use() -> None:
    (tool,) = govern([TOOL], rules(ToolRule(ToolClass.WRITE, adopts=True))).tools
    assert tool.tool_class is ToolClass.WRITE


def test_a_server_whose_list_is_accepted_offers_what_is_new_and_what_has_changed_but_nothing_disabled() -> None:
    assert govern([TOOL], rules(accepts=True)).tools == (TOOL,)
    assert govern([TOOL], rules(ToolRule(ToolClass.READ, pin="b"), accepts=True)).tools[0].pin == "a"
    assert govern([TOOL], rules(ToolRule(ToolClass.READ, pin="a", withheld="no"), accepts=True)).tools == ()


def test_the_word_of_an_external_server_makes_no_tool_read() -> None:
    (tool,) = govern([TOOL], rules(accepts=True, external=True)).tools
    assert tool.tool_class is ToolClass.UNKNOWN
    assert believed_class(ToolClass.DESTRUCTIVE, external=True) is ToolClass.DESTRUCTIVE
    assert believed_class(ToolClass.READ, external=False) is ToolClass.READ


def test_a_changed_tool_that_is_accepted_unseen_reads_only_if_it_still_claims_to() -> None:
    changing = replace(TOOL, tool_class=ToolClass.DESTRUCTIVE)
    for decided, tool, external, expected in (
        (ToolClass.READ, TOOL, False, ToolClass.READ),
        (ToolClass.READ, TOOL, True, ToolClass.UNKNOWN),
        (ToolClass.READ, changing, False, ToolClass.DESTRUCTIVE),
        (ToolClass.WRITE, TOOL, False, ToolClass.WRITE),
    ):
        (governed,) = govern([tool], rules(ToolRule(decided, pin="b"), accepts=True, external=external)).tools
        assert governed.tool_class is expected
    (governed,) = govern([changing], rules(ToolRule(ToolClass.READ, pin="a"), accepts=True)).tools
    assert governed.tool_class is ToolClass.READ, "a person has decided about this very definition"
