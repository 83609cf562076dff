"""What ``aiops tools show`` prints of prompts and resources."""

from __future__ import annotations

import pytest

from aiops.tool_servers.cli.servers import _print_others


def test_prompts_and_resources_are_printed_one_a_line_without_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [{"name": "alert", "required": True}, {"name": "depth", "required": False}]
    prompt = {"name": "triage", "title": "Triage", "description": "Looks\nat it.", "arguments": arguments}
    resource = {"uri": "x:\n\x1b[2Jone", "name": "one", "description": ""}
    _print_others({"prompts": [prompt], "resources": [resource], "lists_problem": "It has\nmore."})
    assert capsys.readouterr().out.splitlines() == [
        "  prompt triage alert [depth]: Looks",
        "  resource x: [2Jone: one",
        "  It has more.",
    ]
    _print_others({"prompts": None, "resources": None, "lists_problem": ""})
    assert capsys.readouterr().out == ""
