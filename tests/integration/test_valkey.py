"""The private Valkey keeps its data inside the home."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from config.local import valkey
from config.local.home import Home


@pytest.mark.parametrize("name", ['a"quote', "back\\slash", "a b", "zürich ☃", "with#hash", "two\nlines", "it's"])
def test_valkey_keeps_its_data_in_the_home_whatever_its_path_contains(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / name)
    with running(home):
        assert (home.valkey / "appendonlydir").is_dir()


@contextlib.contextmanager
def running(home: Home) -> Iterator[redis.Redis]:
    home.valkey.mkdir(parents=True, exist_ok=True)
    command, url = valkey.configure(home)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 30
        while not valkey.is_ready(url):
            assert server.poll() is None, server.stdout and server.stdout.read().decode()
            assert time.monotonic() < until, "Valkey did not start"
        with redis.Redis.from_url(url) as client:
            yield client
    finally:
        server.terminate()
        server.communicate(timeout=10)


def test_a_file_that_a_full_disk_damaged_is_cut_off_where_the_damage_begins(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    assert valkey.repair(valkey.find(), home) == ""
    with running(home) as client:
        for number in range(100):
            client.set(f"before{number}", "x" * 100)
    assert valkey.repair(valkey.find(), home) == "", "a whole file was changed"
    (file,) = (home.valkey / "appendonlydir").glob("*.incr.aof")
    with file.open("ab") as written:
        written.write(b"*3\r\n$3\r\nSET\r\n$2\r\nhalf of it*3\r\n$3\r\nSET\r\n$5\r\nafter\r\n$1\r\nx\r\n")
    with pytest.raises(AssertionError, match="Bad file format"), running(home):
        pass
    assert valkey.repair(valkey.find(), home) == valkey.REPAIRED
    with running(home) as client:
        assert client.dbsize() == 100
        assert client.get("before99") == b"x" * 100


def test_a_file_that_cannot_be_repaired_is_left_as_it_is(tmp_path: Path) -> None:
    home = Home(tmp_path / "h")
    folder = home.valkey / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("nonsense\n")
    assert valkey.repair(valkey.find(), home) == ""
    assert (folder / "appendonly.aof.manifest").read_text() == "nonsense\n"
