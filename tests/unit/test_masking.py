"""A person's credential in what a server says: masked as it is, without its scheme, and inside JSON."""

from __future__ import annotations

import json

import pytest

from aiops.tool_servers.client.listing import Listing
from aiops.tool_servers.client.masking import TELLS, Mask
from aiops.tool_servers.client.values import Offered, Progress, RemoteTool, ToolResult

QUOTED = 'canary"of\\ann'


@pytest.mark.parametrize(
    ("credential", "said", "shown"),
    [
        ("canary-of-ann", "it is canary-of-ann.", "it is [redacted]."),
        ("Basic canary-of-ann", "canary-of-ann, or Basic canary-of-ann", "[redacted], or [redacted]"),
        (QUOTED, json.dumps({"a": QUOTED}), '{"a": "[redacted]"}'),
        ("", "nothing to mask", "nothing to mask"),
    ],
)
def test_a_credential_is_masked_in_every_form(credential: str, said: str, shown: str) -> None:
    mask = Mask(credential)
    assert mask.text(said) == shown
    assert mask.result(ToolResult(said, failed=True)) == ToolResult(shown, failed=True)
    assert mask.progress(Progress(1, 2, said)) == Progress(1, 2, shown)


def test_a_tool_that_has_the_credential_anywhere_is_refused_and_others_stay() -> None:
    def tool(name: str, **schema: str) -> RemoteTool:
        return RemoteTool(f"a_{name}", "a", name, "", schema)

    found = Listing(
        {"good": tool("good"), "bad": tool("bad", default="for canary-of-ann"), "canary-of-ann": tool("canary-of-ann")},
        (Offered("canary-of-ann", "", False, "canary-of-ann is no name"),),
    )
    masked = Mask("canary-of-ann").listing(found)
    assert list(masked.tools) == ["good"]
    assert [(one.name, one.problem) for one in masked.refused] == [
        ("[redacted]", "[redacted] is no name"),
        ("bad", TELLS),
        ("[redacted]", TELLS),
    ]
