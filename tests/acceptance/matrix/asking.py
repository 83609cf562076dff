"""Asks many questions of a system in which anything may fail, each accepted exactly once."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import httpx

from tests.acceptance.system import System

PATIENCE_S = 40


@dataclass(frozen=True, slots=True)
class Asked:
    """One accepted question; ``key`` names the change it makes, empty when it makes none."""

    run: str
    conversation: str
    message: str
    answer: str
    key: str = ""


class Asker:
    """Asks until the answer is 202, with a key, so that asking again changes nothing."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.asked: list[Asked] = []
        self.refused = 0
        """How often it had to ask again."""
        self._client = system.client()

    def close(self) -> None:
        self._client.close()

    def ask(self, count: int, *, words: int = 12, pause_s: float = 0.03) -> list[Asked]:
        """Ask so many questions: of ten, two make a change and one looks at something first."""
        made = [self._one(n, words, pause_s) for n in range(count)]
        self.asked += made
        return made

    def _one(self, n: int, words: int, pause_s: float) -> Asked:
        key = uuid.uuid4().hex
        do: dict[str, Any] = {"words": words, "pause": pause_s}
        answer = " ".join(f"w{i}" for i in range(words))
        tool = {3: "change", 6: "change", 8: "look"}.get(n % 10)
        if tool:
            do |= {"call": f"effects_{tool}", "args": {"key": key, "seconds": 0.3}, "id": key}
            said = f"changed {key}" if tool == "change" else f"seen {key}"
            answer = f"The tool said: {said} {answer}"
        accepted = self._until_accepted(f"question {key} DO {json.dumps(do)}", key)
        return Asked(
            accepted["run"]["id"],
            accepted["conversation"],
            accepted["message"],
            answer,
            key if tool == "change" else "",
        )

    def _until_accepted(self, message: str, key: str) -> dict[str, Any]:
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = self._client.post("/api/chat/", json={"message": message}, headers={"Idempotency-Key": key})
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.status_code == 202:
                return answer.json()
            assert answer is None or answer.status_code == 503, answer.text
            self.refused += 1
            assert time.monotonic() < until, "nobody accepted the question"
            time.sleep(0.1)
