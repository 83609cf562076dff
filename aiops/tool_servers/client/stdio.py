"""Runs a tool server as a process with pipes of its own, and speaks JSON-RPC over its standard streams.

The SDK's own (mcp 1.30) gives every process the worker's standard error: its output is lost among the logs, and a Node
server makes that pipe non-blocking for all others.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCMessage
from pydantic import ValidationError

from aiops.tool_servers.client import messages
from aiops.tool_servers.client.output import Output

CHUNK_BYTES = 65_536
END_S = 2.0
"""Time that a process gets to end after each step: its input closed, then SIGTERM."""
KILLED_S = 1.0
"""Time to see the end of a process that was killed."""
LOOK_S = 0.02
"""Pause between two looks at whether a process has ended."""
BUSY_S = 0.005
REST = 9
"""Time of reading what is no message at a stretch, and how many times as long others have the loop then."""
OUTPUT_S = 0.2
"""Time for the rest of the output of a process that has ended; a child of it may keep the pipe open."""

Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
Outgoing = MemoryObjectSendStream[SessionMessage]


@contextlib.asynccontextmanager
async def connected(
    command: Sequence[str], *, env: dict[str, str], output: Output, cwd: str = ""
) -> AsyncIterator[tuple[Incoming, Outgoing]]:
    """Start a process, yield the streams of a session, end the process; raises OSError when it cannot be started.

    NotADirectoryError names ``cwd`` when no process can run there; otherwise it would look like a missing command.
    """
    if cwd and not (Path(cwd).is_dir() and os.access(cwd, os.X_OK)):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), cwd)
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=cwd or None, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    tasks = [
        asyncio.create_task(_read(process, received, output)),
        asyncio.create_task(_write(process, to_send)),
        asyncio.create_task(_keep(process, output)),
    ]
    try:
        yield incoming, outgoing
    finally:
        output.exit_code = process.returncode  # None: it is ended here
        try:
            await _end(process)
            await asyncio.wait(tasks[2:], timeout=OUTPUT_S)
        finally:
            for task in tasks:
                task.cancel()
            for stream in (received, incoming, outgoing, to_send):
                stream.close()
            # Otherwise its pipes stay open while somebody else holds them, or while there is something to read.
            process._transport.close()  # type: ignore[attr-defined]
        await asyncio.gather(*tasks, return_exceptions=True)


async def _read(process: Process, received: MemoryObjectSendStream[Any], output: Output) -> None:
    """Hand on the messages of a process; when its output ends, so does the session."""
    assert process.stdout is not None
    lines, busy_s = messages.Lines(), 0.0
    with received:
        while chunk := await process.stdout.read(CHUNK_BYTES):
            begun = time.perf_counter()
            for line in lines.feed(chunk):
                message = _message(line, output)
                if message is not None:
                    await received.send(SessionMessage(message))
                else:
                    busy_s += time.perf_counter() - begun
                    if busy_s > BUSY_S:
                        await asyncio.sleep(REST * busy_s)
                        busy_s = 0.0
                begun = time.perf_counter()
        await _has_ended(process, OUTPUT_S)  # before the session ends, for then the exit code is looked at


def _message(line: messages.Line, output: Output) -> JSONRPCMessage | None:
    """Return the message on a line; what is none, such as a log line, is kept with the process's other output."""
    if not line.is_whole:
        raw = messages.too_large(line.text, line.tail, request=None) or b""
    else:
        raw = line.text if line.text.startswith(b"{") else b""
    try:
        return messages.parsed(raw, request=None)
    except ValidationError:
        output.add(line.text + b"\n")
        return None


async def _write(process: Process, to_send: MemoryObjectReceiveStream[SessionMessage]) -> None:
    assert process.stdin is not None
    with to_send:
        async for sent in to_send:
            process.stdin.write(sent.message.model_dump_json(by_alias=True, exclude_none=True).encode() + b"\n")
            await process.stdin.drain()


async def _keep(process: Process, output: Output) -> None:
    assert process.stderr is not None
    while part := await process.stderr.read(CHUNK_BYTES):
        output.add(part)


async def _end(process: Process) -> None:
    """Close the input of a process, then end it and what it started."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await _has_ended(process, END_S):
                break
            _signal(process, number)
    except asyncio.CancelledError:  # there is no more time but to see its end, which is near
        _signal(process, signal.SIGKILL)
        await _has_ended(process, KILLED_S)
        raise
    _signal(process, signal.SIGTERM)  # children that it left behind


async def _has_ended(process: Process, within_s: float) -> bool:
    """Wait for the end of a process itself; asyncio's own wait goes on until its pipes are closed, too."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            while process.returncode is None:
                await asyncio.sleep(LOOK_S)
    return process.returncode is not None


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
