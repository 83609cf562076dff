"""A web process of ``aiops up``: uvicorn on listening sockets that all web processes share.

``aiops up`` starts it as ``python -m config.local.uvicorn_server FD…``. The command line of uvicorn (0.54) takes one
socket only, where a host name may have several addresses, and keeps it open while it drains.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence

import uvicorn


def config() -> uvicorn.Config:
    """Return the configuration, the same as that of the Procfile's web process."""
    return uvicorn.Config(
        "config.asgi:application",
        http="config.asgi:Connection",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=3,
        log_level="warning",
    )


def main(listeners: Sequence[int]) -> None:
    """Serve until a signal asks to stop."""
    uvicorn.Server(config()).run([socket.socket(fileno=fd) for fd in listeners])


if __name__ == "__main__":
    main([int(fd) for fd in sys.argv[1:]])
