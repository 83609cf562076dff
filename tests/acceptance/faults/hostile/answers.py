"""Answers to the requests of a client, the same over every transport."""

from __future__ import annotations

import json
import queue
from collections import defaultdict
from typing import Any

from tests.acceptance.faults.hostile.tools import Tools

ASKING_S = 10
"""For a client's answer to a request of the server."""


class Replies:
    """What clients have answered to the requests of a server, by the ids of those."""

    def __init__(self) -> None:
        self._of: defaultdict[str, queue.Queue[dict[str, Any]]] = defaultdict(queue.Queue)

    def add(self, message: dict[str, Any]) -> None:
        self._of[str(message["id"])].put(message)

    def wait(self, number: str) -> dict[str, Any]:
        return self._of[number].get(timeout=ASKING_S)


def answer(tools: Tools, request: dict[str, Any], peer: Any) -> str | None:
    """Return the message that answers a request; None: it is not answered."""
    method, params = request["method"], request.get("params") or {}
    if method == "initialize":
        about = {"name": tools.server, "version": "1"}
        result: dict[str, Any] = {"protocolVersion": params["protocolVersion"], "serverInfo": about}
        result["capabilities"] = {"tools": {"listChanged": True}}
    elif method == "tools/list":
        result = {"tools": tools.list()}
    elif method == "tools/call":
        text = tools.call(params["name"], request, peer)
        if text is None:
            return None
        result = {"content": [{"type": "text", "text": text}]}
    else:
        result = {}
    return json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result})
