"""A RabbitMQ of the tests' own, with an epmd of its own."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import amqp

from tests.conftest import missing, program
from tests.ports import free_port
from tests.servers.server import Server

BINARY = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
CONTROL = BINARY.with_name("rabbitmqctl")


class RabbitMQ(Server):
    """One node without plugins."""

    name = "rabbitmq"

    def __init__(self, folder: Path, **where: Any) -> None:
        super().__init__(folder, **where)
        if not BINARY.exists():
            missing("RabbitMQ (Debian: rabbitmq-server)")
        self._epmd_program = program("epmd", package="rabbitmq-server")
        self._epmd_port, self._dist_port = free_port(), free_port()
        self._epmd: subprocess.Popen[bytes] | None = None
        (folder / "plugins").write_text("[].\n")
        (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = {self.host}:{self.port}\nloopback_users = none\n")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.host}:{self.port}//"

    def command(self) -> Sequence[str]:
        return [str(BINARY)]

    def environment(self) -> dict[str, str]:
        return {
            **super().environment(),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_NODENAME": f"aiops-{self.port}@localhost",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",
        }

    def start(self) -> None:
        if self._epmd is None:
            command = [*self._inside, self._epmd_program, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
            self._epmd = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        super().start()

    def answers(self) -> bool:
        try:
            with amqp.Connection(f"{self.host}:{self.port}", connect_timeout=1, read_timeout=2) as connection:
                connection.connect()
                return bool(connection.connected)
        except (OSError, amqp.AMQPError):
            return False

    def queues(self) -> set[str]:
        """Return the queues that outlive their connections."""
        command = [str(CONTROL), "--quiet", "list_queues", "name", "exclusive", "auto_delete", "--formatter=json"]
        environment = {**os.environ, **self.environment()}
        done = subprocess.run([*self._inside, *command], env=environment, capture_output=True, check=True, timeout=60)
        return {one["name"] for one in json.loads(done.stdout) if not one["exclusive"] and not one["auto_delete"]}

    def end(self) -> None:
        super().end()
        if self._epmd is not None:
            self._epmd.terminate()
            self._epmd.wait(timeout=10)
