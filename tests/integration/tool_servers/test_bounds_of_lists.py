"""Prompts and resources that others list: bounded, made plain, and harmless to the server's tools."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from aiops.tool_servers.client import other_lists, probe
from aiops.tool_servers.client.pool import ToolPool
from aiops.tool_servers.client.values import CallLimits, Health, ServerSpec
from tests.integration.tool_servers.listing_server import PROMPT, RESOURCE, said


def checked(tmp_path: Path, **given: Any) -> Health:
    spec = ServerSpec("raw", command=sys.executable, args=tuple(said(tmp_path, **given)), handshake_s=60)
    (found,) = probe.check([spec])
    assert (found.problem, {one.name for one in found.tools or ()}) == ("", {"good"}), "its tools stay usable"
    return found


@pytest.mark.parametrize("method", ["prompts/list", "resources/list"])
@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"refuses": "no \x1b[2J![x](https://evil.example)"}, "cannot be listed: no [image: x]"),
        ({"hangs": ""}, "were not listed within 1 s"),
        ({"dies": ""}, "cannot be listed"),
    ],
)
def test_a_server_that_cannot_list_them_keeps_its_tools_and_the_problem_is_shown(
    how: dict[str, str], why: str, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_lists, "LIST_S", 1.0)
    given = {name: {method: text} if text else [method] for name, text in how.items()}
    found = checked(tmp_path, prompts=[[PROMPT]], resources=[[RESOURCE]], **given)
    assert why in found.others.problem
    kind = method.partition("/")[0]
    assert getattr(found.others, kind) is None
    if "dies" not in how:
        other = {"prompts": "resources", "resources": "prompts"}[kind]
        assert len(getattr(found.others, other)) == 1, "the other list is read all the same"


@pytest.mark.parametrize(
    ("pages", "why"),
    [
        (1, "more prompts than are shown (200,"),
        (other_lists.MAX_PAGES + 1, f"more than {other_lists.MAX_PAGES} pages"),
    ],
)
def test_lists_are_bounded_by_entries_and_pages(pages: int, why: str, tmp_path: Path) -> None:
    each = [{"name": f"p{n}"} for n in range(300)] if pages == 1 else []
    found = checked(tmp_path, prompts=[each] * pages, resources=[[]])
    assert why in found.others.problem
    assert len(found.others.prompts or ()) == (other_lists.MAX_ENTRIES if pages == 1 else 0)


def test_an_endless_list_ends(tmp_path: Path) -> None:
    found = checked(tmp_path, prompts=[[PROMPT], [{"name": "more"}]], resources=[[]], endless=True)
    assert [one["name"] for one in found.others.prompts or ()] == ["triage", "more"]


def test_lists_are_bounded_in_bytes(tmp_path: Path) -> None:
    big = [{"uri": f"x:{n}", "description": "ö" * 5_000} for n in range(10)]
    found = checked(tmp_path, prompts=[[]], resources=[big] * 10)
    stored = json.dumps(found.others.resources, ensure_ascii=False).encode()
    assert 20_000 < len(stored) < other_lists.MAX_LIST_BYTES + 2_000
    assert f"{other_lists.MAX_LIST_BYTES:,} bytes" in found.others.problem


def test_hostile_text_in_them_is_made_plain_and_malformed_ones_are_left_out(tmp_path: Path) -> None:
    hostile = "a\x1b[31mb\n\u0007 ![see](https://evil.example/?q=) \ud83d"
    prompts = [
        {"name": hostile, "title": 7, "description": hostile, "arguments": [{"name": hostile}, 3, {}]},
        *(None, 3, [], {}, {"name": 5}, {"name": "\x1b[2J"}),
        {"name": "odd", "arguments": "none"},
    ]
    resources = [
        {"uri": hostile, "size": -1},
        {
            "uri": "x" * 10_000,
            "name": "y" * 10_000,
            "description": "z" * 10_000,
            "mimeType": "t" * 500,
            "size": 1 << 60,
        },
        {"uri": "javascript:alert(1)", "size": True},
        {"name": "no address"},
    ]
    found = checked(tmp_path, prompts=[prompts], resources=[resources]).others
    line = "ab [image: see] \ufffd"
    first, odd = found.prompts or ()
    assert (first["name"], first["title"], first["description"]) == (line, "", "ab\n [image: see] \ufffd")
    assert [one["name"] for one in first["arguments"]] == [line]
    assert odd == {"name": "odd", "title": "", "description": "", "arguments": []}
    one, long, script = found.resources or ()
    assert (one["uri"], one["size"], long["size"], script["size"]) == (line, None, None, None)
    assert [len(long[name]) for name in ("uri", "name", "description", "mime_type")] == [500, 128, 300, 100]
    assert found.problem == (
        "Some of its prompts are malformed, and left out. Some of its resources are malformed, and left out."
    )


@pytest.mark.parametrize("notice", ["prompts", "resources"])
async def test_the_notice_of_changed_lists_reaches_the_worker_once_a_ping(
    notice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aiops.tool_servers.client.server.PING_S", 0.05)
    heard: asyncio.Queue[str] = asyncio.Queue()
    args = said(tmp_path, notice=f"notifications/{notice}/list_changed")
    spec = ServerSpec("raw", command=sys.executable, args=tuple(args), handshake_s=60)
    pool = ToolPool([spec], limits=CallLimits(60, 60), on_other_change=heard.put_nowait)
    pool.start()
    try:
        async with asyncio.timeout(60):
            assert await heard.get() == "raw"
            assert await heard.get() == "raw"
    finally:
        await pool.stop()
