"""``python -m tests.acceptance.faults.hostile NAME FOLDER [PORT]``: over HTTP with a port, without one over stdio."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.acceptance.faults.hostile import over_http, over_stdio
from tests.acceptance.faults.hostile.tools import Tools


def main(name: str, folder: Path, port: str = "") -> None:
    tools = Tools(name, folder)
    environment = folder / f"environment-{name}-{os.getpid()}"
    environment.with_name(f"writing-{os.getpid()}").write_text(json.dumps(dict(os.environ)))
    environment.with_name(f"writing-{os.getpid()}").replace(environment)  # it may be killed at any moment
    if port:
        over_http.serve(tools, int(port))
    else:
        over_stdio.serve(tools)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
