"""``aiops up``: starts, supervises and stops everything on one machine."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType

from aiops.settings import Settings
from config import env, sqlite
from config.env import BadEnvironment
from config.local import banner, launching, listening, processes, valkey
from config.local.home import UNUSABLE, Home, Unusable
from config.local.launching import ForkServer
from config.local.supervisor import CannotStart, Child, Supervisor

STOP_S = 9.5
START_S = 60.0
DRAIN_S = "5"
POLL_S = 0.3
FORK_SERVER = "forkserver"
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    host: str
    port: int
    flower: bool
    flower_port: int


class Stopped(Exception):
    """A signal asked us to stop during the start."""


class Up:
    """One run of ``aiops up``."""

    def __init__(self, settings: Settings, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._home = Home(settings.home)
        self._stop_requested = threading.Event()
        self._forks = ForkServer() if launching.FORKS else None
        self._database = sqlite.file_of(settings.database_url.get_secret_value(), settings.home)
        self._database_is_there = True
        self._listeners: list[socket.socket] = []

    def run(self) -> int:
        """Start, supervise until a signal asks to stop, stop; return the exit code."""
        os.umask(0o077)
        for number in ENDING:
            signal.signal(number, self._request_stop)
        try:
            self._home.open()
            self._listeners = listening.listen(self._options.host, self._options.port, "--port")
            if self._options.flower:
                listening.check_port("127.0.0.1", self._options.flower_port, "--flower-port")
        except Unusable as problem:
            return _fail(str(problem))
        supervisor = Supervisor(self._home.logs, say=_say)
        try:
            self._start(supervisor)
            while not self._stop_requested.wait(POLL_S):
                supervisor.restart_dead()
                self._report_database()
            _say("Stopping…")
        except Stopped:
            _say("Stopping…")
        except (CannotStart, Unusable) as problem:
            return _fail(str(problem))
        finally:
            for listener in self._listeners:
                listener.close()  # nobody shall wait in one for processes that stop
            supervisor.stop(within_s=STOP_S, last=("valkey", FORK_SERVER))
            self._home.address.unlink(missing_ok=True)
            self._home.close()
        _say("Stopped.")
        return 0

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self._stop_requested.set()

    def _start(self, supervisor: Supervisor) -> None:
        os.environ.update(self._environment())  # all child processes inherit it
        try:
            env.read()  # with the home's files
        except BadEnvironment as bad:
            raise Unusable(" ".join(bad.problems)) from bad
        if not self._settings.redis_url.get_secret_value():
            # Before all others: they connect to it at their start.
            command, url = valkey.configure(self._home)
            self._home.write(self._home.redis_url, url)
            os.environ["REDIS_URL_FILE"] = str(self._home.redis_url)
            child = Child("valkey", partial(self._launch_valkey, command))
            supervisor.start(child)
            try:
                self._wait(supervisor, lambda: valkey.is_ready(url), "valkey")
            except CannotStart as error:
                reason = next((line for line in reversed(child.last_lines) if line.strip()), str(error))
                raise Unusable(
                    f"Valkey cannot use {self._home.valkey} ({reason.partition(' # ')[2] or reason}): "
                    "restore a backup, or move that folder away (questions and answers stay: they are in the database)."
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
        others = listening.names(self._options.host) if self._options.host in listening.WILDCARDS else []
        elsewhere = [f"http://{n}:{self._options.port}" for n in others if n.strip("[]") not in listening.LOOPBACK]
        print(
            banner.text(
                self._settings,
                self._home,
                made["name"],
                model=made["model"],
                address=self._local,
                elsewhere=elsewhere,
            ),
            flush=True,
        )
        self._home.first_password.unlink(missing_ok=True)

    def _launch_valkey(self, command: list[str]) -> launching.Process:
        if said := valkey.repair(command[0], self._home):
            _say(said)
        return launching.spawn(command)

    def _report_database(self) -> None:
        """Report when the database file vanishes and when it is back; meanwhile, every request fails and says why."""
        if self._database is None or self._database.exists() == self._database_is_there:
            return
        self._database_is_there = not self._database_is_there
        there = "is back." if self._database_is_there else "has vanished: put it back, and everything continues."
        _say(f"The database {self._database} {there}")

    def _wait(self, supervisor: Supervisor, ready: Callable[[], bool], what: str) -> None:
        def done() -> bool:
            if self._stop_requested.is_set():
                raise Stopped
            return ready()

        supervisor.wait_until(done, timeout_s=START_S, what=what)

    def _environment(self) -> dict[str, str]:
        env = {"AIOPS_HOME": str(self._home.path), "PYTHONUNBUFFERED": "1"}
        env["AIOPS_DRAIN_S"] = os.environ.get("AIOPS_DRAIN_S", DRAIN_S)
        if not self._settings.secret_key.get_secret_value():
            self._home.secret(self._home.secret_key)
            env["AIOPS_SECRET_KEY_FILE"] = str(self._home.secret_key)
        if not self._settings.secret_key_fallbacks.get_secret_value() and self._home.secret_key_fallbacks.exists():
            env["AIOPS_SECRET_KEY_FALLBACKS_FILE"] = str(self._home.secret_key_fallbacks)
        if not self._settings.encryption_keys.get_secret_value():
            self._home.secret(self._home.encryption_keys, bytes_=32)
            env["AIOPS_ENCRYPTION_KEYS_FILE"] = str(self._home.encryption_keys)
        if self._options.host not in listening.LOOPBACK and not self._settings.allowed_hosts:
            env["AIOPS_ALLOWED_HOSTS"] = ",".join(listening.names(self._options.host))
        if self._options.flower:
            password = self._home.secret(self._home.flower_password, bytes_=18)
            env["FLOWER_BASIC_AUTH"] = f"{banner.FLOWER_USER}:{password}"
            env["AIOPS_FLOWER_URL"] = f"http://127.0.0.1:{self._options.flower_port}"
        return env

    def _prepare(self) -> dict[str, str]:
        """Migrate and create the first administrator in another process, so that this one stays small."""
        command = [
            processes.PYTHON,
            "-m",
            "config.local.prepare",
            str(self._home.token),
            str(self._home.first_password),
        ]
        done = subprocess.run(command, capture_output=True, text=True, start_new_session=True)
        if self._stop_requested.is_set():
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
        commands["worker-upkeep"] = processes.worker_upkeep()
        commands["beat"] = processes.beat()
        if options.flower:
            commands["flower"] = processes.flower(options.flower_port)
        batch = processes.worker_batch(concurrency=settings.batch_concurrency)
        launch = launching.spawn if self._forks is None else self._forks.fork
        made = [Child(name, partial(launch, command)) for name, command in commands.items()]
        shared = [listener.fileno() for listener in self._listeners]
        web = partial(launch, processes.web_on(shared), pass_fds=shared)
        made += [Child(name, web) for name in processes.web_names(settings.web_processes)]
        return [*made, Child("worker-batch", partial(launch, batch, nice=processes.BATCH_NICE))]

    @property
    def _local(self) -> str:
        return listening.local(self._options.host, self._options.port)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._local}/health/ready", timeout=2) as answer:  # noqa: S310  (our own address)
                return not json.load(answer)["degraded"]
        except (urllib.error.URLError, OSError, ValueError):
            return False


def _say(text: str) -> None:
    print(f"aiops: {text}", file=sys.stderr, flush=True)


def _fail(text: str) -> int:
    _say(text)
    return 1
