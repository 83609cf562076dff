"""Every kind of content that a tool may return becomes text for the model and the reader."""

from __future__ import annotations

from typing import Any

import pytest

from aiops.tool_servers.client.content import MAX_CHARACTERS, as_text

PIXEL = "iVBORw0KGgo="
TEXT = {"type": "text", "text": "a"}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ({"content": [TEXT, {"type": "text", "text": "b"}]}, "a\nb"),
        ({"content": [{"type": "text", "text": ""}]}, ""),
        ({"content": [{"type": "image", "mimeType": "image/png", "data": PIXEL}]}, "[image image/png, 8 bytes]"),
        (
            {"content": [TEXT, {"type": "audio", "mimeType": "audio/wav", "data": "AAAA"}]},
            "a\n[audio audio/wav, 3 bytes]",
        ),
        ({"content": [{"type": "image"}]}, "[image of an unknown type, 0 bytes]"),
        ({"content": [{"type": "resource_link", "name": "log", "uri": "file:///a"}]}, "log <file:///a>"),
        (
            {"content": [{"type": "resource_link", "name": "n", "title": "Log", "uri": "u:1", "description": "of a"}]},
            "Log <u:1>: of a",
        ),
        ({"content": [{"type": "resource", "resource": {"uri": "u:1", "text": "inside"}}]}, "inside"),
        (
            {
                "content": [
                    {"type": "resource", "resource": {"uri": "u:1", "mimeType": "application/zip", "blob": "AAAA"}}
                ]
            },
            "[resource u:1, application/zip, 3 bytes]",
        ),
        ({"content": [{"type": "resource"}]}, "[resource without content]"),
        ({"content": [TEXT, {"type": "video", "data": "x"}]}, "a\n[content of the unknown kind 'video']"),
        ({"content": [{"type": {"x": 1}}]}, "[content of the unknown kind \"{'x': 1}\"]"),
        ({"content": [{}]}, "[content of the unknown kind 'None']"),
        ({"content": ["bare", 3, None]}, "bare\n3\nnull"),
        ({"content": "bare"}, "bare"),
        ({"content": None}, "[no content]"),
        ({"content": []}, "[no content]"),
        ({}, "[no content]"),
        ({"content": [], "structuredContent": {"up": True}}, '{"up": true}'),
        ({"structuredContent": {"up": True}}, '{"up": true}'),
        ({"content": [{"type": "text", "text": '{"up":\ttrue}'}], "structuredContent": {"up": True}}, '{"up":\ttrue}'),
        ({"content": [TEXT], "structuredContent": {"result": "a"}}, "a"),
        ({"content": [{"type": "text", "text": "3"}], "structuredContent": {"result": 3}}, "3"),
        ({"content": [TEXT], "structuredContent": {"up": True}}, 'a\n{"up": true}'),
        ({"content": [TEXT], "structuredContent": {"content": "a"}}, "a"),
        ({"content": [{"type": "text", "text": ""}], "structuredContent": {"content": ""}}, ""),
        ({"content": [{"type": "text", "text": "[1]"}], "structuredContent": {"found": [1]}}, "[1]"),
        ({"content": [{"type": "text", "text": "3"}], "structuredContent": {"up": 3}}, '3\n{"up": 3}'),
        ({"content": [TEXT], "structuredContent": {"up": "a", "down": 0}}, 'a\n{"up": "a", "down": 0}'),
        ({"content": [{"type": "text", "text": None}]}, "null"),
    ],
)
def test_a_result_is_shown_whole(result: dict[str, Any], expected: str) -> None:
    assert as_text(result) == expected


def test_a_huge_result_is_cut() -> None:
    text = as_text({"content": [{"type": "text", "text": "x" * (MAX_CHARACTERS + 5)}]})
    assert (len(text), text[-6:]) == (MAX_CHARACTERS + 6, "\n[cut]")


def test_a_text_that_is_deep_json_is_compared_without_harm() -> None:
    deep = "[" * 100_000
    assert as_text({"content": [{"type": "text", "text": deep}], "structuredContent": {"a": 1}}).startswith(deep)
