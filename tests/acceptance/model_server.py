"""A language model's server that speaks OpenAI's chat API and does what the question tells it to.

A question ends with ``DO {json}``: ``words`` and ``pause`` stream so many words; ``call`` and ``args`` call a tool
first (``loop``: for ever; ``then``: again with each of these, under the same id, ``wait`` seconds later); ``calls`` has
tools that are called one after another, each with its arguments; ``answers`` are said, one for each call; ``pieces``
are said as they are, with ``pause`` between; ``thinking`` is thought before; ``finish`` is another finish reason;
``fail`` lists what goes wrong, one entry for each call (429, hang, cut …);
``room`` is how many calls of its ``group`` are taken at once; ``gate`` holds the words but the first back until the
test opens it. A question that asks for a corrected answer is the one before it, asked again.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

MARK = re.compile(r"^\[What the tool \w+ returned: data written by others\. [^\]]*\]\n")
DO = re.compile(r"DO (\{.*\})", re.DOTALL)


class ModelServer:
    """Runs in a thread of the tests; ``asked`` has every request's body, ``calls`` counts them by question."""

    def __init__(self, port: int, *, host: str = "127.0.0.1") -> None:
        self.port = port
        self.host = host
        self.asked: list[dict[str, Any]] = []
        self.calls: Counter[str] = Counter()
        self.busy: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.open_gates: set[str] = set()
        routes = [Route("/v1/chat/completions", self._complete, methods=["POST"]), Route("/v1/models", self._models)]
        app = Starlette(routes=routes)
        config = uvicorn.Config(app, host=host, port=port, log_level="error", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        until = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < until
            time.sleep(0.01)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(timeout=5)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/v1"

    async def _models(self, request: Request) -> Response:
        return JSONResponse({"data": [{"id": "scripted"}]})

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        messages = body["messages"]
        asked = max(n for n, m in enumerate(messages) if m["role"] == "user")
        if _text(messages[asked]).startswith("Your answer does not fit"):
            asked = max(n for n, m in enumerate(messages[:asked]) if m["role"] == "user")
        question = _text(messages[asked])
        self.calls[question] += 1
        found = DO.search(question)
        do = json.loads(found.group(1)) if found else {}
        failures = do.get("fail", [])
        turn = self.calls[question] - 1
        failure = failures[turn] if turn < len(failures) else None
        results = [m for m in messages[asked + 1 :] if m["role"] == "tool"]
        group = do.get("group", "")
        if self.busy[group] >= do.get("room", 1_000_000):
            self.refused[group] += 1
            return JSONResponse({"error": {"message": "busy"}}, status_code=429, headers={"Retry-After": "1"})
        if isinstance(failure, int):
            headers = {"Retry-After": "0"} if failure == 429 else {}
            return JSONResponse({"error": {"message": "scripted"}}, status_code=failure, headers=headers)
        if failure == "nonsense":
            return PlainTextResponse("<html>It works!</html>", media_type="text/html")
        if failure == "hang":
            await asyncio.sleep(60)
        if do.get("loop"):
            do["id"] = f"{do['id']}{len(results)}"
        if results and len(results) <= len(do.get("then", [])):
            await asyncio.sleep(do.get("wait", 0))
            return StreamingResponse(
                _call({**do, "args": do["then"][len(results) - 1]}), media_type="text/event-stream"
            )
        if len(results) < len(calls := do.get("calls", [])):
            name, args = calls[len(results)]
            return StreamingResponse(_call({**do, "call": name, "args": args}), media_type="text/event-stream")
        if do.get("call") and (do.get("loop") or not results):
            return StreamingResponse(_call(do), media_type="text/event-stream")
        text = " ".join(f"w{n}{'x' * do.get('longer', 0)}" for n in range(do.get("words", 5)))
        if answers := do.get("answers"):
            text = answers[min(turn, len(answers) - 1)]
        if do.get("words") == 0:
            text = ""
        elif results and not answers:
            text = f"The tool said: {MARK.sub('', _text(results[-1]))} {text}"
        pieces = do.get("pieces") or re.findall(r"\s*\S+", text)
        said = self._busily(group, self._gated(do.get("gate"), _say(do, pieces, cut=failure == "cut")))
        return StreamingResponse(said, media_type="text/event-stream")

    async def _gated(self, gate: str | None, said: AsyncIterator[str]) -> AsyncIterator[str]:
        n = 0
        async for piece in said:
            yield piece
            n += 1  # the first piece only begins, the second has the first word
            while gate and n == 2 and gate not in self.open_gates:
                await asyncio.sleep(0.02)

    async def _busily(self, group: str, said: AsyncIterator[str]) -> AsyncIterator[str]:
        self.busy[group] += 1
        try:
            async for piece in said:
                yield piece
        finally:
            self.busy[group] -= 1


def _text(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> str:
    return _line(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


def _line(**fields: Any) -> str:
    made = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "scripted", **fields}
    return f"data: {json.dumps(made)}\n\n"


async def _say(do: dict[str, Any], words: list[str], *, cut: bool):
    pause = do.get("pause", 0)
    yield _chunk({"role": "assistant", "content": ""})
    for thought in do.get("thinking", []):
        yield _chunk({"reasoning_content": thought})
        await asyncio.sleep(pause)
    for n, word in enumerate(words):
        if cut and n == len(words) // 2:
            return
        yield _chunk({"content": word})
        if pause:
            await asyncio.sleep(pause)
    yield _chunk({}, do.get("finish", "stop"))
    usage = {"prompt_tokens": 7, "completion_tokens": len(words), "total_tokens": 7 + len(words)}
    yield _line(choices=[], usage=usage)
    yield "data: [DONE]\n\n"


async def _call(do: dict[str, Any]):
    call = {"index": 0, "id": f"call_{do.get('id', 'x')}", "type": "function"}
    function = {"name": do["call"], "arguments": json.dumps(do.get("args", {}))}
    if before := do.get("before"):
        yield _chunk({"role": "assistant", "content": before})
    yield _chunk({"role": "assistant", "content": None, "tool_calls": [{**call, "function": function}]})
    yield _chunk({}, do.get("finish", "tool_calls"))
    yield "data: [DONE]\n\n"
