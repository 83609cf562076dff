"""Health checks of one process kind on this host, for containers: standard library only, so that they stay cheap."""

from __future__ import annotations

import http.client
import json

from aiops import alive
from config import env
from config.env import BadEnvironment

WEB_S = 5.0


def problem(kind: str, *, port: int) -> str:
    """Return what is wrong with the web, the workers or beat of this host; "" if nothing is."""
    if kind == "web":
        return _problem_of_web(port)
    try:
        return alive.problem(kind, env.read().home)
    except BadEnvironment as bad:
        return str(bad)


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
