"""Batches of questions to the scripted model: sent, awaited and fetched through the API."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx

from tests.acceptance.system import eventually

ENDED = ("completed", "failed", "expired", "cancelled")


def lines(count: int, **do: Any) -> str:
    mark = uuid.uuid4().hex[:8]
    prompts = [f"{mark} item {n} DO {json.dumps({'words': 3, **do})}" for n in range(count)]
    return "".join(json.dumps({"custom_id": f"c{n}", "prompt": p}) + "\n" for n, p in enumerate(prompts))


def send(client: httpx.Client, text: str, name: str = "items.jsonl", **options: Any) -> dict[str, Any]:
    answer = client.post("/api/batches/", files={"file": (name, text)}, data={"options": json.dumps(options)})
    assert answer.status_code == 202, answer.text
    return answer.json()


def ended(client: httpx.Client, batch: dict[str, Any], *, within_s: float = 30) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen = client.get(batch["links"]["self"]).json()
        return seen if seen["state"] in ENDED else None

    return eventually(look, within_s=within_s, what="the batch's end")


def results(client: httpx.Client, batch: dict[str, Any], kind: str = "results") -> list[dict[str, Any]]:
    return [json.loads(line) for line in client.get(batch["links"][kind]).text.splitlines()]
