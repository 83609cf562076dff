"""The private Valkey keeps its data inside the home."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from config.local import valkey
from config.local.home import Home


@pytest.mark.parametrize("name", ['a"quote', "back\\slash", "a b", "zürich ☃", "with#hash", "two\nlines", "it's"])
def test_valkey_keeps_its_data_in_the_home_whatever_its_path_contains(tmp_path: Path, name: str) -> None:
    home = Home(tmp_path / name)
    home.valkey.mkdir(parents=True)
    command, url = valkey.configure(home)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until = time.monotonic() + 30
        while not valkey.is_ready(url):
            assert server.poll() is None, server.stdout and server.stdout.read().decode()
            assert time.monotonic() < until, "Valkey did not start"
        assert (home.valkey / "appendonlydir").is_dir()
    finally:
        server.terminate()
        server.communicate(timeout=10)
