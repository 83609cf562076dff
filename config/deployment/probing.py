"""Health checks of one kind of process on this host, for containers; little is imported, so that they stay cheap."""

from __future__ import annotations

import http.client
import json
import os
from pathlib import Path

from aiops import alive
from config import envfile

WEB_S = 5.0


def problem(kind: str, *, port: int) -> str:
    """Return what is wrong with the web, the workers or beat of this host; "" if nothing is."""
    if kind == "web":
        return _problem_of_web(port)
    try:
        return alive.problem(kind, _home())
    except envfile.Unreadable as error:
        return str(error)


def _home() -> Path:
    """Return the home without reading all settings, which takes longer than everything else here."""
    return Path(os.environ.get("AIOPS_HOME") or envfile.read().get("AIOPS_HOME") or ".aiops")


def _problem_of_web(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WEB_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        body = json.loads(answer.read(10_000))
        return (
            "" if answer.status == http.HTTPStatus.OK else f"the web is not ready: {body.get('detail', answer.reason)}"
        )
    except (OSError, http.client.HTTPException) as error:
        return f"the web does not answer on port {port}: {error or type(error).__name__}"
    except (ValueError, AttributeError):
        return f"what answers on port {port} is not aiops"
    finally:
        connection.close()
