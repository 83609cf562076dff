"""The fork server: it imports what all processes need and forks them, so that they start fast and share memory.

``aiops up`` starts it as ``python -m config.local.forkserver FD``. FD is one end of a socket pair (SEQPACKET).
A request is JSON (``id``, ``command``, ``nice``, ``pass_fds``) with file descriptors: for the output, then those that
the fork gets under the numbers ``pass_fds``. Responses:
``{"ready": true}`` after the imports, ``{"id": …, "born": pid}`` or ``{"id": …, "failed": reason}`` for each request,
``{"ended": pid, "code": …}`` when a process ends; the code is negative for the signal that ended it.
The server has one thread and only imports and forks, so that forks inherit nothing that they must not.
"""

from __future__ import annotations

import fcntl
import gc
import importlib.util
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from setproctitle import setproctitle

from aiops.llm import environment
from aiops.llm.providers import HANDLERS
from config.local import priority
from config.local.launching import end_with_parent

REQUEST_BYTES = 65_536
MAX_FDS = 64
"""File descriptors of one request: the output and the listening sockets."""
NEEDED = (
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.bin.celery",
    "celery.concurrency.thread",
    "django_celery_beat.schedulers",
    "uvicorn",
    "config.beat",
    "config.urls",
    "workers.process",
    "aiops.agent.build",
)
"""Modules imported before forking, besides settings and models; none may start a thread or open a connection."""
BROKERS = {"redis": "kombu.transport.redis", "rediss": "kombu.transport.redis"}


def main(fd: int) -> None:
    """Serve requests until the supervisor is gone; in a fork, run the requested program."""
    channel = socket.socket(fileno=fd)
    _import()
    request = _serve(channel)
    if request is not None:
        _become(request)


def _import() -> None:
    gc.disable()  # collections take a fifth of the time of the imports, which leave no garbage to speak of
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    modules = [*NEEDED, BROKERS.get(urlsplit(settings.SETTINGS.broker).scheme, "kombu.transport.pyamqp")]
    with suppress(ValueError):  # the workers report that; here no connection to the database may be opened
        modules.append(HANDLERS[environment.model(settings.SETTINGS).handler_name].module)
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # a collection would write to all shared memory pages
    gc.enable()


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Return the request in each fork, and None in the server when the supervisor is gone."""

    def respond(**message: object) -> None:
        channel.send(json.dumps(message).encode())

    def reap(*_: object) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            respond(ended=pid, code=os.waitstatus_to_exitcode(status))

    signal.signal(signal.SIGCHLD, reap)
    respond(ready=True)
    parent = os.getpid()
    while True:
        written, files, _, _ = socket.recv_fds(channel, REQUEST_BYTES, MAX_FDS)
        if not written:
            return None
        request: dict[str, Any] = json.loads(written)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # its end must be reported after its pid
        try:
            output, *passed = files  # fewer if too many files are open
            numbered = dict(zip(request["pass_fds"], passed, strict=True))
            pid = os.fork()
        except (OSError, ValueError) as error:
            respond(failed=str(error), id=request["id"])
            pid = None
        if pid == 0:
            channel.close()
            _settle(output, numbered, parent)
            return request
        for file in files:
            os.close(file)
        if pid is not None:
            respond(born=pid, id=request["id"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _settle(output: int, numbered: Mapping[int, int], parent: int) -> None:
    """Give a fork its own session, output, files and signals, and let it end with its parent."""
    os.setsid()
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    _renumber(numbered)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _renumber(numbered: Mapping[int, int]) -> None:
    """Give each file descriptor the number that is its key."""
    # First out of the way of all numbers: one that arrived may have the number that another one gets.
    above = max(numbered, default=0) + 1
    moved = {number: fcntl.fcntl(received, fcntl.F_DUPFD, above) for number, received in numbered.items()}
    for received in numbered.values():
        os.close(received)
    for number, file in moved.items():
        os.dup2(file, number)
        os.close(file)


def _become(request: dict[str, Any]) -> None:
    """Run ``python -m module arguments`` in this process."""
    command: Sequence[str] = request["command"]
    priority.lower(request["nice"])
    setproctitle(" ".join(command))
    module = command[2]
    sys.argv = [_path(module), *command[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _path(module: str) -> str:
    """Return the file that ``-m`` runs; Celery needs it in ``sys.argv`` to restart itself after SIGHUP."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    return (spec and spec.origin) or module


if __name__ == "__main__":
    main(int(sys.argv[1]))
