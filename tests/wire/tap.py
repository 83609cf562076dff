"""Stands between a client and a stdio server, and keeps what the client sends: ``tap.py FILE COMMAND…``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def main(file: Path, command: list[str]) -> int:
    """Hand on each line as it is; the server's answers and its standard error go straight to the client."""
    with file.open("wb", buffering=0) as kept, subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0) as server:
        assert server.stdin is not None
        for line in sys.stdin.buffer:
            kept.write(line)
            server.stdin.write(line)
        server.stdin.close()
    return server.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
