"""A Redis or Valkey of the tests' own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis

from config.local import valkey
from tests.servers.server import Server


class Redis(Server):
    """With an append-only file, so that a restart forgets nothing; ``options`` are lines of its configuration."""

    name = "redis"
    scheme = "redis"

    def __init__(self, folder: Path, *, binary: str = "", options: Sequence[str] = (), **where: Any) -> None:
        super().__init__(folder, **where)
        self._binary = binary or valkey.find()
        self._options = options

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def command(self) -> Sequence[str]:
        lines = [
            f"port {self.port}",
            f"bind {self.host}",
            "protected-mode no",
            f"dir {self.folder}",
            "appendonly yes",
            'save ""',
            "auto-aof-rewrite-percentage 0",  # a full disk after a rewrite damages the file of Valkey 9.1
        ]
        path = self.folder / "redis.conf"
        path.write_text("\n".join([*lines, *self._options]) + "\n")
        return [self._binary, str(path)]

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, socket_timeout=2)

    def answers(self) -> bool:
        return valkey.is_ready(self.url)
