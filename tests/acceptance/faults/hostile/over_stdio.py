"""A hostile server over its standard streams."""

from __future__ import annotations

import json
import os
import sys
import threading
import uuid
from typing import Any

from tests.acceptance.faults.hostile.answers import Replies, answer
from tests.acceptance.faults.hostile.tools import Tools


class Streams:
    """The client at the other end."""

    def __init__(self) -> None:
        self.replies = Replies()
        self._writing = threading.Lock()

    def send(self, text: str) -> None:
        self.junk(text.encode() + b"\n")

    def junk(self, data: bytes) -> None:
        with self._writing:
            while data:
                data = data[os.write(1, data) :]

    def ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        number = uuid.uuid4().hex
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        return self.replies.wait(number)


def serve(tools: Tools) -> None:
    """Answer requests, each in a thread, until the input ends."""
    peer = Streams()

    def one(request: dict[str, Any]) -> None:
        if text := answer(tools, request, peer):
            peer.send(text)

    for line in sys.stdin:
        message = json.loads(line)
        if "method" not in message:
            peer.replies.add(message)
        elif "id" in message:
            threading.Thread(target=one, args=(message,), daemon=True).start()
        elif message["method"] == "notifications/cancelled":
            tools.give_up(message["params"]["requestId"])
