"""Starts the host server: ``python -m aiops.tool_servers.host [--http PORT]`` (stdio otherwise)."""

import argparse

from aiops.tool_servers.host.server import make


def main() -> None:
    """Serve until the client or the operator ends it."""
    parser = argparse.ArgumentParser(prog="python -m aiops.tool_servers.host", description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="serve streamable HTTP on 127.0.0.1 at /mcp")
    options = parser.parse_args()
    server = make(port=options.http or 0)
    server.run("streamable-http" if options.http else "stdio")


if __name__ == "__main__":
    main()
