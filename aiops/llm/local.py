"""Finds an Ollama that listens on this machine's usual port, to say how it is used while no model is configured."""

from __future__ import annotations

import json
import threading
import time

import httpx

from aiops import net

ADDRESS = "http://127.0.0.1:11434"
LOOK_S = 0.3
FRESH_S = 60.0
MAX_BYTES = 200_000

_lock = threading.Lock()
_latest: tuple[float, list[str] | None] = (float("-inf"), None)


def ollama() -> list[str] | None:
    """Return the names of its models; None when none listens. It is asked at most once a minute."""
    global _latest
    with _lock:
        if time.monotonic() - _latest[0] > FRESH_S:
            _latest = (time.monotonic(), _look())
        return _latest[1]


def _look() -> list[str] | None:
    try:
        answer = net.get(f"{ADDRESS}/api/tags", total_s=LOOK_S, max_bytes=MAX_BYTES)
        return [str(model["name"]) for model in json.loads(answer.body)["models"]]
    except (httpx.HTTPError, TimeoutError, OSError, ValueError, KeyError, TypeError):
        return None
