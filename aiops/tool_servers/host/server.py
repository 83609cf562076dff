"""The host tools: load, memory, disks, processes, network and logs of this machine; all are read-only."""

from __future__ import annotations

import functools
import os
import re
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from mcp.server.fastmcp import FastMCP
from mcp.types import ToolAnnotations

READ_ONLY = ToolAnnotations(readOnlyHint=True, destructiveHint=False, idempotentHint=True, openWorldHint=False)
LOGS_VARIABLE = "AIOPS_HOST_LOGS"
MB = 1_000_000
SAMPLE_S = 0.2
MAX_TAIL_BYTES = 64_000
HIDDEN = "not visible to this user"
CUT, SHOWN_OF_NAME = 15, 40
"""Characters of a process's name that Linux keeps, and that are shown of a longer one."""


def load() -> dict[str, Any]:
    """CPU load of this machine: load average over 1, 5 and 15 minutes, how busy the processor cores are."""
    one, five, fifteen = os.getloadavg()
    return {
        "load_1_min": one,
        "load_5_min": five,
        "load_15_min": fifteen,
        "cores": psutil.cpu_count(),
        "cpu_percent": psutil.cpu_percent(interval=SAMPLE_S),
    }


def memory() -> dict[str, Any]:
    """Memory (RAM) and swap of this machine: total, used, free and available, in MB."""
    ram, swap = psutil.virtual_memory(), psutil.swap_memory()
    return {
        "total_mb": ram.total // MB,
        "used_mb": ram.used // MB,
        "available_mb": ram.available // MB,
        "used_percent": ram.percent,
        "swap_total_mb": swap.total // MB,
        "swap_used_mb": swap.used // MB,
    }


def disks() -> dict[str, Any]:
    """Disk space of every mounted file system: size, used, free storage, how full it is."""
    rows: dict[int, dict[str, Any]] = {}
    for mount in ["/", *sorted(part.mountpoint for part in psutil.disk_partitions(all=False))]:
        try:
            device, usage = os.stat(mount).st_dev, psutil.disk_usage(mount)
        except OSError:  # unmounted meanwhile, or not visible to this user
            continue
        rows.setdefault(
            device,
            {
                "mount": mount,
                "size_mb": usage.total // MB,
                "used_mb": usage.used // MB,
                "free_mb": usage.free // MB,
                "used_percent": usage.percent,
            },
        )
    return {"disks": list(rows.values())}


def top_processes(by: Literal["memory", "cpu"] = "memory", limit: int = 10) -> dict[str, Any]:
    """Processes that use the most memory or the most cpu: what is using, eating, taking most, the biggest."""
    limit = max(1, min(limit, 50))
    processes = list(psutil.process_iter(["pid", "name", "username", "memory_info", "memory_percent"]))
    if by == "cpu":
        for process in processes:
            _measured(process.cpu_percent)  # the first call of a process returns 0: it starts the sample
        time.sleep(SAMPLE_S)
    rows = [
        {
            "pid": p.info["pid"],
            "name": p,
            "user": p.info["username"],
            "memory_mb": round(p.info["memory_info"].rss / MB, 1) if p.info["memory_info"] else 0.0,
            "memory_percent": round(p.info["memory_percent"] or 0.0, 1),
            **({"cpu_percent": _measured(p.cpu_percent, 0.0)} if by == "cpu" else {}),
        }
        for p in processes
    ]
    rows.sort(key=lambda row: row["cpu_percent" if by == "cpu" else "memory_mb"], reverse=True)
    return {"processes": [{**row, "name": _whole_name(row["name"])} for row in rows[:limit]]}


def _whole_name(process: Any) -> str:
    """Return a process's name; Linux keeps 15 characters of it, and its command line or title may have the rest."""
    name = str(process.info["name"] or "")
    if len(name) < CUT and not name.startswith("["):
        return name
    words = [str(word) for word in _measured(process.cmdline, [])]
    if words and words[0].startswith("["):  # a title, such as Celery's, which psutil splits at its spaces
        return " ".join(words).partition("]")[0][: SHOWN_OF_NAME - 1] + "]"
    whole = next(iter(words), "")
    program = os.path.basename(whole.split(" ", maxsplit=1)[0])
    return whole[:SHOWN_OF_NAME] if whole.startswith(name) and not whole.startswith("/") else program or name


def process(name_or_pid: str) -> dict[str, Any]:
    """One process or service, by its name or pid: whether it is running, its state, memory, threads, open files."""
    wanted = name_or_pid.lower()
    every = [(p, (p.info["name"] or "").lower()) for p in psutil.process_iter(["pid", "name"])]
    matches = [p for p, name in every if wanted in (name, str(p.info["pid"]))]
    if not matches and wanted and not wanted.isdecimal():  # valkey is valkey-server, too, and celery celeryd
        word = re.compile(rf"\b{re.escape(wanted)}d?\b")
        matches = [p for p, name in every if word.search(name)]
    if not matches:
        return {"running": False, "looked_for": name_or_pid}
    found = matches[0]
    with found.oneshot():
        return {
            "running": True,
            "pid": found.pid,
            "name": found.name(),
            "state": found.status(),
            "user": _measured(found.username),
            "started": datetime.fromtimestamp(found.create_time(), UTC).isoformat(timespec="seconds"),
            "memory_mb": round(found.memory_info().rss / MB, 1),
            "threads": found.num_threads(),
            "open_files": _measured(found.num_fds),
            "parent_pid": found.ppid(),
            "others_of_that_name": len(matches) - 1,
        }


def network_interfaces() -> dict[str, Any]:
    """Network interfaces of this machine: addresses (IP), whether up, speed, bytes sent and received, errors."""
    counters, states = psutil.net_io_counters(pernic=True), psutil.net_if_stats()
    rows = []
    for name, addresses in psutil.net_if_addrs().items():
        state, count = states.get(name), counters.get(name)
        rows.append(
            {
                "interface": name,
                "up": bool(state and state.isup),
                "addresses": ", ".join(a.address for a in addresses if a.family.name in ("AF_INET", "AF_INET6")),
                "speed_mbit": state.speed if state else 0,
                "sent_mb": count.bytes_sent // MB if count else 0,
                "received_mb": count.bytes_recv // MB if count else 0,
                "errors": count.errin + count.errout if count else 0,
            }
        )
    return {"interfaces": rows}


def listening_ports() -> dict[str, Any]:
    """Listening ports: which TCP ports are open on this machine and which process or service listens on each."""
    rows = {}
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN:
            here: Any = connection.laddr
            address, port = here.ip, here.port
            pid = connection.pid
            name = _measured(lambda pid=pid: psutil.Process(pid).name()) if pid else HIDDEN
            rows[port, address] = {"port": port, "address": address, "pid": pid or HIDDEN, "process": name}
    return {"ports": [rows[key] for key in sorted(rows)]}


def uptime() -> dict[str, Any]:
    """Uptime: how long this machine has been up, since its last boot."""
    booted = psutil.boot_time()
    days, rest = divmod(int(time.time() - booted), 86_400)
    return {
        "up": f"{days} d {rest // 3_600} h {rest % 3_600 // 60} min",
        "booted": datetime.fromtimestamp(booted, UTC).isoformat(timespec="seconds"),
        "host": os.uname().nodename,
    }


def log_tail(log: str = "", lines: int = 40) -> dict[str, Any]:
    """Last lines of a log file: tail of syslog, messages or another allowed log of this machine."""
    allowed = {Path(p).name: Path(p) for p in os.environ.get(LOGS_VARIABLE, "").split(",") if p}
    there = sorted(name for name, path in allowed.items() if path.is_file())
    name = Path(log).name or (there[0] if there else "")
    if name not in there:
        raise ValueError(
            f"no such log may be read; allowed and present: {', '.join(there) or 'none'} ({LOGS_VARIABLE})"
        )
    with allowed[name].open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_TAIL_BYTES))
        tail = file.read().decode(errors="replace").splitlines()
    return {"log": name, "lines": tail[-max(1, min(lines, 200)) :]}


def _measured(measure: Any, otherwise: Any = HIDDEN) -> Any:
    """Return a measurement, or ``otherwise`` when the process has ended or this user may not see it."""
    try:
        return measure()
    except (psutil.Error, OSError):
        return otherwise


def _signed(tool: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Let a tool's result say which machine it is about, and when it was read."""

    @functools.wraps(tool)
    def read(*args: Any, **arguments: Any) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        return {"host": socket.gethostname(), "read_at": now, **tool(*args, **arguments)}

    return read


TOOLS = (load, memory, disks, top_processes, process, network_interfaces, listening_ports, uptime, log_tail)


def make(*, port: int = 0) -> FastMCP:
    """Return the server with all its tools."""
    server = FastMCP("host", instructions="Facts about this machine. Read-only.", port=port, log_level="WARNING")
    for tool in TOOLS:
        server.add_tool(_signed(tool), annotations=READ_ONLY)
    return server
