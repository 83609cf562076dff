"""Which tools a model is offered when there are more than it takes."""

from __future__ import annotations

from langchain_core.messages import AIMessage

from aiops.agent import selection
from aiops.tool_servers.client.values import RemoteTool


def tool(server: str, name: str, description: str = "", size: int = 100) -> RemoteTool:
    return RemoteTool(f"{server}_{name}", server, name, description, {"type": "object"}, size=size)


CALLED = AIMessage("", tool_calls=[{"name": "net_vlan_of", "args": {}, "id": "1"}])
MANY = [tool("crm", f"t{n}", f"Read customer record field {n}.") for n in range(300)]
VLAN = tool("net", "vlan_of", "Return the VLAN of a switch port.")
INVOICE = tool("erp", "invoice", "Send an invoice.")


def names(tools: tuple[RemoteTool, ...]) -> set[str]:
    return {one.name for one in tools}


def test_all_tools_are_offered_when_a_request_takes_them() -> None:
    few = [*MANY[: selection.MAX_TOOLS - 1], VLAN]
    assert selection.chosen(few, "hello") == (tuple(few), ())


def test_the_tools_that_fit_the_question_are_offered() -> None:
    tools = [*MANY, VLAN, INVOICE]
    offered, left_out = selection.chosen(tools, "Which VLAN has port 7 of the switch?")
    assert VLAN in offered
    assert len(offered) == selection.MAX_TOOLS
    assert names(offered) | set(left_out) == {one.name for one in tools}
    assert [one for one in tools if one in offered] == list(offered), "their order stays"


def test_a_tool_that_the_conversation_has_used_stays() -> None:
    offered, _ = selection.chosen([*MANY, VLAN], "customer record field", conversation=[CALLED])
    assert VLAN in offered


def test_without_a_word_in_common_no_server_takes_all_the_room() -> None:
    others = [tool("dns", f"d{n}", "Resolve.") for n in range(40)]
    offered, _ = selection.chosen([*MANY, *others], "zzz")
    assert {one for one in offered if one.server == "dns"} == set(others)
    offered, _ = selection.chosen([*MANY, *others], "")
    assert {one for one in offered if one.server == "dns"} == set(others)


def test_large_tools_leave_room_for_small_ones() -> None:
    large = [tool("big", f"b{n}", "Everything about a switch port.", size=200_000) for n in range(5)]
    offered, left_out = selection.chosen([*large, VLAN], "switch port")
    assert sum(one.size for one in offered) <= selection.MAX_BYTES
    assert VLAN in offered
    assert len(left_out) == 3
