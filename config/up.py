"""``aiops up``: everything on one machine, with nothing installed beforehand, started, watched and stopped in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from aiops.errors import Refused
from aiops.registry import language_models
from aiops.settings import Settings
from config import address, launching, processes, valkey
from config.home import UNUSABLE, Home, Unusable
from config.launching import ForkServer
from config.supervisor import CannotStart, Child, Supervisor

STOP_S = 9.5
START_S = 60.0
DRAIN_S = "5"
LOOK_S = 0.3
FLOWER_USER = "aiops"
FORK_SERVER = "forkserver"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    host: str
    port: int
    flower: bool
    flower_port: int


class Stopped(Exception):
    """Somebody asked us to stop while starting."""


class Up:
    """One start of everything."""

    def __init__(self, settings: Settings, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._home = Home(settings.home)
        self._asked = threading.Event()
        self._forks = ForkServer() if launching.FORKS else None

    def run(self) -> int:
        """Start, watch until asked to stop, stop; return the exit code."""
        os.umask(0o077)
        for number in ENDING:
            signal.signal(number, self._ask)
        try:
            self._home.open()
            address.check_port(self._options.host, self._options.port, "--port")
            if self._options.flower:
                address.check_port("127.0.0.1", self._options.flower_port, "--flower-port")
        except Unusable as problem:
            return _fail(str(problem))
        supervisor = Supervisor(self._home.logs, say=_say)
        try:
            self._start(supervisor)
            while not self._asked.wait(LOOK_S):
                supervisor.look()
            _say("Stopping…")
        except Stopped:
            _say("Stopping…")
        except (CannotStart, Unusable) as problem:
            return _fail(str(problem))
        finally:
            supervisor.stop(within_s=STOP_S, last=("valkey", FORK_SERVER))
            self._home.address.unlink(missing_ok=True)
            self._home.close()
        _say("Stopped.")
        return 0

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self._asked.set()

    def _start(self, supervisor: Supervisor) -> None:
        os.environ.update(self._environment())  # every process that is started from here has it
        if not self._settings.redis_url.get_secret_value():
            command, url = valkey.configure(self._home)
            self._home.write(self._home.redis_url, url)
            os.environ["REDIS_URL_FILE"] = str(self._home.redis_url)
            child = Child("valkey", partial(launching.spawn, command))
            supervisor.start(child)
            try:
                self._wait(supervisor, lambda: valkey.is_ready(url), "valkey")
            except CannotStart as error:
                reason = next((words for words in reversed(child.words) if words.strip()), str(error))
                raise Unusable(
                    f"Valkey cannot use {self._home.valkey} ({reason.partition(' # ')[2] or reason}): "
                    "restore a backup, "
                    "or move that folder away (questions and answers stay: they are in the database)."
                ) from error
        if self._forks is not None:
            supervisor.start(Child(FORK_SERVER, self._forks.spawn))  # it imports while the database is prepared
        made = self._prepare()
        if self._forks is not None:
            self._wait(supervisor, self._forks.is_ready, "the fork server")
        for child in self._children():
            supervisor.start(child)
        self._wait(supervisor, self._is_ready, "aiops")
        self._home.write(self._home.address, self._local)
        print(self._screen(made), flush=True)
        self._home.first_password.unlink(missing_ok=True)

    def _wait(self, supervisor: Supervisor, ready: Callable[[], bool], what: str) -> None:
        def done() -> bool:
            if self._asked.is_set():
                raise Stopped
            return ready()

        supervisor.wait_until(done, timeout_s=START_S, what=what)

    def _environment(self) -> dict[str, str]:
        env = {"AIOPS_HOME": str(self._home.path), "PYTHONUNBUFFERED": "1"}
        env["AIOPS_DRAIN_S"] = os.environ.get("AIOPS_DRAIN_S", DRAIN_S)
        if not self._settings.secret_key.get_secret_value():
            self._home.secret(self._home.secret_key)
            env["AIOPS_SECRET_KEY_FILE"] = str(self._home.secret_key)
        if self._options.host not in address.LOOPBACK and not self._settings.allowed_hosts:
            env["AIOPS_ALLOWED_HOSTS"] = ",".join(address.names(self._options.host))
        if self._options.flower:
            password = self._home.secret(self._home.flower_password, bytes_=18)
            env["FLOWER_BASIC_AUTH"] = f"{FLOWER_USER}:{password}"
            env["AIOPS_FLOWER_URL"] = f"http://127.0.0.1:{self._options.flower_port}"
        return env

    def _prepare(self) -> dict[str, str]:
        """Migrate and make the first administrator, in a process of its own: this one stays small."""
        command = [processes.PYTHON, "-m", "config.prepare", str(self._home.token), str(self._home.first_password)]
        done = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
        if self._asked.is_set():
            raise Stopped
        if done.returncode == UNUSABLE:
            raise Unusable(done.stderr.strip().splitlines()[-1])
        if done.returncode:
            words = "\n".join(f"    {line[:500]}" for line in done.stderr.strip().splitlines()[-8:])
            raise CannotStart(f"The database could not be prepared:\n{words}")
        made: dict[str, str] = json.loads(done.stdout.strip().splitlines()[-1])
        return made

    def _children(self) -> list[Child]:
        options, settings = self._options, self._settings
        commands = {
            f"worker-runs-{number}": processes.worker_runs(number, concurrency=settings.concurrency)
            for number in range(1, (settings.workers or os.cpu_count() or 1) + 1)
        }
        commands["web"] = processes.web(options.host, options.port)
        commands["worker-upkeep"] = processes.worker_upkeep()
        commands["beat"] = processes.beat()
        if options.flower:
            commands["flower"] = processes.flower(options.flower_port)
        batch = processes.worker_batch(concurrency=settings.batch_concurrency)
        launch = launching.spawn if self._forks is None else self._forks.fork
        made = [Child(name, partial(launch, command)) for name, command in commands.items()]
        return [*made, Child("worker-batch", partial(launch, batch, nice=processes.BATCH_NICE))]

    @property
    def _local(self) -> str:
        return address.local(self._options.host, self._options.port)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._local}/health/ready", timeout=2) as answer:  # noqa: S310  (our own address)
                return not json.load(answer)["degraded"]
        except (urllib.error.URLError, OSError, ValueError):
            return False

    def _screen(self, made: dict[str, str]) -> str:
        kept, name = self._home.first_password, made["name"]
        signs_in = f"{name}   (password forgotten: aiops manage changepassword {name})"
        if kept.exists():
            signs_in = f"{name} / {kept.read_text()}   (shown this once)"
        elsewhere = self._home.path != Path(".aiops").absolute()
        chat = (f"AIOPS_HOME={self._home.path} " if elsewhere else "") + 'aiops chat "hello"'
        rows = [
            ("Address", self._settings.public_url or self._local),
            ("Sign in", signs_in),
            ("Model", _model(self._settings)),
            ("Data", str(self._home.path)),
            ("Logs", str(self._home.logs)),
            ("API token", f"{self._home.token}   (used by: {chat})"),
        ]
        if self._options.flower:
            flower = os.environ["AIOPS_FLOWER_URL"]
            rows.append(("Flower", f"{flower}   ({FLOWER_USER} / {self._home.flower_password})"))
        if self._options.host in address.WILDCARDS:
            others = [n for n in address.names(self._options.host) if n.strip("[]") not in address.LOOPBACK]
            rows.insert(1, ("", "   ".join(f"http://{name}:{self._options.port}" for name in others[:3])))
        lines = [f"  {name:<10} {value}" for name, value in [*rows, ("Stop", "Ctrl-C")]]
        return "\n".join(["", "aiops is ready.", "", *lines, ""])


def _model(settings: Settings) -> str:
    try:
        spec = language_models.choose(settings, {})
    except Refused as problem:
        return f"none: {problem.detail}"
    if spec.provider == "offline":
        return "offline: tools only, no language model (to add one: LLM_TYPE and LLM_MODEL, see the README)"
    return f"{spec.name} ({spec.provider})"


def _say(text: str) -> None:
    print(f"aiops: {text}", file=sys.stderr, flush=True)


def _fail(text: str) -> int:
    _say(text)
    return 1
