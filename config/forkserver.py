"""The process that has imported what all of ours need and forks them: they start at once and share its memory.

``aiops up`` starts it as ``python -m config.forkserver FD``. FD is one end of a socket pair of whole messages. A
request is JSON (``id``, ``command``, ``nice``) with the file that gets the output. Out go ``{"ready": true}``, then for
each request ``{"id": …, "born": pid}`` or ``{"id": …, "failed": reason}``, and at a process's end
``{"ended": pid, "code": …}``: its exit code, or the negative number of the signal that ended it.
It has one thread, imports and forks, and nothing else: what a forked process must not inherit is not made here.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import runpy
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import django
from django.conf import settings
from setproctitle import setproctitle

from aiops.errors import Refused
from aiops.registry import language_models
from config.launching import end_with_parent

REQUEST_BYTES = 65_536
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
"""What is imported before forking, besides settings and models: only what starts no thread and connects to nothing."""
BROKERS = {"redis": "kombu.transport.redis", "rediss": "kombu.transport.redis"}


def main(fd: int) -> None:
    """Fork what is asked for until the supervisor is gone; in what was forked, become it."""
    channel = socket.socket(fileno=fd)
    _import()
    request = _serve(channel)
    if request is not None:
        _become(request)


def _import() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    modules = [*NEEDED, BROKERS.get(urlsplit(settings.SETTINGS.broker).scheme, "kombu.transport.pyamqp")]
    with suppress(Refused):  # the workers say that no model is configured
        modules.append(f"aiops.agent.llm.{language_models.choose(settings.SETTINGS, {}).provider}")
    for module in modules:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # the collector would write to every page that is shared


def _serve(channel: socket.socket) -> dict[str, Any] | None:
    """Return the request in each process that it forks, and None in its own when there is nobody left to serve."""

    def tell(**said: object) -> None:
        channel.send(json.dumps(said).encode())

    def reap(*_: object) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            tell(ended=pid, code=os.waitstatus_to_exitcode(status))

    signal.signal(signal.SIGCHLD, reap)
    tell(ready=True)
    parent = os.getpid()
    while True:
        written, files, _, _ = socket.recv_fds(channel, REQUEST_BYTES, 1)
        if not written:
            return None
        request: dict[str, Any] = json.loads(written)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})  # its end is told after its birth
        try:
            (output,) = files  # none when too many are open
            pid = os.fork()
        except (OSError, ValueError) as error:
            tell(failed=str(error), id=request["id"])
            pid = None
        if pid == 0:
            channel.close()
            _settle(output, parent)
            return request
        for file in files:
            os.close(file)
        if pid is not None:
            tell(born=pid, id=request["id"])
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _settle(output: int, parent: int) -> None:
    """Make a forked process one of its own: session, output, signals, and an end with its parent's."""
    os.setsid()
    for standard in (1, 2):
        os.dup2(output, standard)
    os.close(output)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
    end_with_parent(signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)


def _become(request: dict[str, Any]) -> None:
    """Run ``python -m module arguments`` in this process."""
    command: Sequence[str] = request["command"]
    os.nice(request["nice"])
    setproctitle(" ".join(command))
    module = command[2]
    sys.argv = [_path(module), *command[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _path(module: str) -> str:
    """Return what ``-m`` makes of a module's name; who starts itself anew, as Celery does after SIGHUP, needs it."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{module}.__main__")
    return (spec and spec.origin) or module


if __name__ == "__main__":
    main(int(sys.argv[1]))
