"""Answers of tool servers, word for word, and what the model and the reader must get of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiops.tool_servers.client import messages

TEXT = {"type": "text", "text": "eth0 is up"}
PNG = {"type": "image", "mimeType": "image/png", "data": "iVBORw0KGgoAAAANSUhEUg=="}
SEEN = {"content": [TEXT]}


@dataclass(frozen=True, slots=True)
class Case:
    """What a server says to a call, and the result."""

    name: str
    said: dict[str, Any]
    text: str
    failed: bool = False


def result(name: str, text: str, **fields: Any) -> Case:
    """Return a case of an ordinary result."""
    return Case(name, {"result": fields}, text, failed=bool(fields.get("isError")))


def raw(name: str, written: str, text: str, *, failed: bool = True, **more: Any) -> Case:
    """Return a case of a message that is written by hand."""
    return Case(name, {"raw": written, **more}, text, failed)


CASES = (
    # kinds of content (IV.11, V.6)
    result("two texts", "eth0 is up\neth1 is down", content=[TEXT, {"type": "text", "text": "eth1 is down"}]),
    result("an image alone", "[image image/png, 16 bytes]", content=[PNG]),
    result(
        "a text and a sound",
        "eth0 is up\n[audio audio/ogg, 6 bytes]",
        content=[TEXT, {"type": "audio", "mimeType": "audio/ogg", "data": "T2dnUwAC"}],
    ),
    result(
        "a link",
        "switch-7.cfg <sftp://files.example/switch-7.cfg>: running configuration",
        content=[
            {
                "type": "resource_link",
                "name": "switch-7.cfg",
                "uri": "sftp://files.example/switch-7.cfg",
                "description": "running configuration",
            }
        ],
    ),
    result(
        "an embedded text",
        "interface eth0",
        content=[{"type": "resource", "resource": {"uri": "cfg://7", "text": "interface eth0"}}],
    ),
    result(
        "an embedded capture",
        "[resource pcap://1, application/vnd.tcpdump.pcap, 4 bytes]",
        content=[
            {
                "type": "resource",
                "resource": {"uri": "pcap://1", "mimeType": "application/vnd.tcpdump.pcap", "blob": "1MOyoQ=="},
            }
        ],
    ),
    result("structured content alone", '{"up": ["eth0"], "down": 2}', structuredContent={"up": ["eth0"], "down": 2}),
    result(
        "structured content twice",
        '{"up":1}',
        content=[{"type": "text", "text": '{"up":1}'}],
        structuredContent={"up": 1},
    ),
    # MCP's own server of files (2026.8.31)
    result(
        "a file, and as structured content", "eth0 is up", content=[TEXT], structuredContent={"content": "eth0 is up"}
    ),
    result(
        "an image, and as structured content",
        "[image image/png, 16 bytes]",
        content=[PNG],
        structuredContent={"content": [PNG]},
    ),
    result("a kind that is not known", "[content of the unknown kind 'hologram']", content=[{"type": "hologram"}]),
    result("no content", "[no content]", content=None),
    result("an empty result", "[no content]"),
    result("content that is a text", "eth0 is up", content="eth0 is up"),
    # errors (IV.7, IV.21)
    result("an error that is an image", "[image image/png, 16 bytes]", content=[PNG], isError=True),
    result("an error without a word", "[no content]", content=[], isError=True),
    Case(
        "an error of the server's own range",
        {"error": {"code": -32042, "message": "Confirm the change in the portal first."}},
        "Confirm the change in the portal first.",
        failed=True,
    ),
    Case(
        "the error that the SDK uses for a lost connection",
        {"error": {"code": -32000, "message": "The inventory is locked by job 17."}},
        "The inventory is locked by job 17.",
        failed=True,
    ),
    Case(
        "an error in the words of the SDK's own for a session that is gone",
        {"error": {"code": -32600, "message": "Session terminated"}},
        "Session terminated",
        failed=True,
    ),
    Case(
        "an error without a message",
        {"error": {"code": -32603, "message": ""}},
        "The tool server answered with error -32603 and no message.",
        failed=True,
    ),
    # what is no JSON-RPC (IV.13), and what is too much (IV.19)
    raw("cut JSON", '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"te', messages.INVALID),
    raw("cut JSON in another order", '{"result":{"content":[}],"jsonrpc":"2.0","id":ID}', messages.INVALID),
    raw(
        "a text that was cut in a character",
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"eth0 is up \\ud83d"}]}}',
        "eth0 is up \ufffd",
        failed=False,
    ),
    raw(
        "bytes of half a character",
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"eth0 is up \ud83d"}]}}',
        "eth0 is up \ufffd",
        failed=False,
    ),
    raw("a result that is a list", '{"jsonrpc":"2.0","id":ID,"result":[1]}', messages.INVALID),
    raw(
        "an error whose code is a text",
        '{"jsonrpc":"2.0","id":ID,"error":{"code":"E42","message":"Quota exceeded"}}',
        "Quota exceeded",
    ),
    raw(
        "a text of 6 MB, id first",
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"FILLER"}]}}',
        messages.TOO_LARGE,
        filler=6_000_000,
    ),
    raw(
        "a text of 6 MB, id last",
        '{"result":{"content":[{"type":"text","text":"FILLER"}]},"jsonrpc":"2.0","id":ID}',
        messages.TOO_LARGE,
        filler=6_000_000,
    ),
    raw(
        "a text of 900 kB",
        '{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"FILLER"}]}}',
        "x" * 900_000,
        failed=False,
        filler=900_000,
    ),
)
