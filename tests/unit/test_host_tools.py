"""The host tools tell what the machine has, and read no other file than those allowed."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from aiops.tool_servers.host import server


def test_this_process_is_among_those_it_can_describe() -> None:
    shown = server.process(str(os.getpid()))
    assert shown["pid"] == os.getpid()
    assert shown["memory_mb"] > 1


def test_an_unknown_process_is_reported_as_not_running() -> None:
    assert server.process("no-such-process-here") == {"running": False, "looked_for": "no-such-process-here"}
    assert server.process(str(os.getpid()))["running"] is True


@pytest.mark.parametrize("by", ["memory", "cpu"])
def test_top_processes_are_in_order(by: str) -> None:
    rows = server.top_processes(by=by, limit=5)["processes"]  # type: ignore[arg-type]
    column = [row["cpu_percent" if by == "cpu" else "memory_mb"] for row in rows]
    assert 1 <= len(rows) <= 5
    assert column == sorted(column, reverse=True)


def test_the_numbers_of_the_machine_make_sense() -> None:
    assert server.memory()["total_mb"] > server.memory()["used_mb"] > 0
    assert server.load()["cores"] >= 1
    assert any(row["mount"] == "/" for row in server.disks()["disks"])
    assert any(row["interface"] == "lo" for row in server.network_interfaces()["interfaces"])
    assert server.uptime()["host"] == os.uname().nodename


def test_an_open_port_is_listed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ports = {row["port"]: row for row in server.listening_ports()["ports"]}
        assert ports[listening.getsockname()[1]]["pid"] == os.getpid()


def test_a_process_that_ends_meanwhile_hides_no_port(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(pid: int) -> None:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(psutil, "Process", gone)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        ports = {row["port"]: row for row in server.listening_ports()["ports"]}
        assert ports[listening.getsockname()[1]]["process"] == server.HIDDEN


@pytest.mark.parametrize("asked", ["/etc/passwd", "../../etc/passwd", "passwd", "other.log"])
def test_only_allowed_logs_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    allowed = tmp_path / "app.log"
    allowed.write_text("one\ntwo\nthree\n")
    monkeypatch.setenv(server.LOGS_VARIABLE, str(allowed))
    assert server.log_tail("app.log", lines=2)["lines"] == ["two", "three"]
    with pytest.raises(ValueError, match="no such log may be read"):
        server.log_tail(asked)


@pytest.mark.parametrize(
    ("name", "words", "shown"),
    [
        ("[celeryd:", ["[celeryd:", "runs-1@host:MainProcess]", "-active-"], "[celeryd: runs-1@host:MainProcess]"),
        ("[celery beat] -", ["[celery beat] -A config beat"], "[celery beat]"),
        ("prometheus-aler", ["/usr/bin/prometheus-alertmanager", "--x"], "prometheus-alertmanager"),
        ("python", ["python", "x.py"], "python"),
        ("[kworker", [], "[kworker"),
    ],
)
def test_a_process_is_shown_by_its_whole_name(name: str, words: list[str], shown: str) -> None:
    process = SimpleNamespace(info={"name": name}, cmdline=lambda: words)
    assert server._whole_name(process) == shown
