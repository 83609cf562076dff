"""aiops under docker-compose.yml on the tests' own engine, brought up as docs/operations/compose.md says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.system import eventually
from tests.conftest import program
from tests.deploy import images
from tests.deploy.engine import Engine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations/compose.md").read_text()
LEFT_OUT = shutil.ignore_patterns(".git", ".venv*", "node_modules", "__pycache__", ".aiops", ".env", ".*_cache")
ADDRESS = "http://127.0.0.1:8000"
"""Published in the engine's namespace."""
PASSWORD = "correct-horse-battery"
SERVICES = ("web", "worker-runs", "worker-batch", "worker-upkeep", "beat", "postgres", "rabbitmq", "redis")
START_S = 240


def blocks(page: str = PAGE) -> list[str]:
    """Return the commands that a page shows, without their indentation."""
    found = re.findall(r"^( *)```sh\n(.*?)^ *```", page, re.DOTALL | re.MULTILINE)
    return [re.sub(rf"^{space}", "", text, flags=re.MULTILINE) for space, text in found]


class Installation:
    """A folder with docker-compose.yml and .env, and what runs from it."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.token = ""
        self._compose = program("docker-compose", package="docker-compose")
        shutil.copytree(ROOT, folder, ignore=LEFT_OUT)

    def sh(self, script: str) -> str:
        """Run commands as a page shows them, without a terminal; return what they print."""
        without_terminal = re.sub(r"docker compose (exec|run)(?! -T)", r"docker compose \1 -T", script)
        script = without_terminal.replace("docker compose", self._compose)
        done = subprocess.run(
            ["bash", "-c", f"set -eo pipefail\n{script}"],
            cwd=self.folder,
            env=self.engine.environment,
            capture_output=True,
            text=True,
            timeout=900,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-3_000:]}{done.stderr[-3_000:]}\n{self.logs()}"
        return done.stdout

    def set(self, **values: str) -> None:
        """Set variables in .env, as a person would."""
        file = self.folder / ".env"
        for name, value in values.items():
            text, replaced = re.subn(rf"(?m)^#?{name}=.*$", f"{name}={value}", file.read_text())
            file.write_text(text if replaced else f"{text}\n{name}={value}\n")

    def bring_up(self, **variables: str) -> None:
        """Follow the page's steps to the first token."""
        variables_step, tables, start, first, *_ = blocks()
        self.sh(variables_step)
        self.set(BASE=images.BASE, **variables)
        self.sh(tables)
        self.sh(start)
        administrator, token = (line for line in first.splitlines() if line)
        given = "".join(
            f" -e DJANGO_SUPERUSER_{name}={value}"
            for name, value in (("USERNAME", "admin"), ("EMAIL", "admin@example.org"), ("PASSWORD", PASSWORD))
        )
        self.sh(administrator.replace("exec web", f"exec{given} web") + " --noinput")
        self.token = self.sh(token.replace("NAME", "admin")).split()[-1]
        eventually(self.is_healthy, within_s=START_S, what="health")

    def is_healthy(self) -> bool:
        """Return whether each service has containers and all of them are healthy."""
        found = self.health()
        return found.keys() == set(SERVICES) and {state for states in found.values() for state in states} == {"healthy"}

    def health(self) -> dict[str, list[str]]:
        """Return the health of each service's containers."""
        found: dict[str, list[str]] = {}
        line = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Health.Status}}'
        for container in self.containers():
            service, _, state = self.engine.docker("inspect", "--format", line, container).stdout.strip().partition(" ")
            found.setdefault(service, []).append(state)
        return found

    def containers(self, *services: str) -> list[str]:
        """Return the ids of the running containers of these services (default: all)."""
        by = [["--filter", f"label=com.docker.compose.service={service}"] for service in services or SERVICES]
        return [one for words in by for one in self.engine.docker("ps", "--quiet", *words).stdout.split()]

    def client(self, token: str | None = None) -> httpx.Client:
        """Return a client of the published port; use it inside the engine's namespace."""
        headers = {"Authorization": f"Bearer {token or self.token}"}
        return httpx.Client(base_url=ADDRESS, headers=headers, timeout=60, trust_env=False)

    def ask(self, message: str) -> dict[str, Any]:
        with self.client() as client:
            accepted = client.post("/api/chat/", json={"message": message})
            assert accepted.status_code == 202, accepted.text
            return dict(accepted.json())

    def ended(self, run_id: str, *, within_s: float = 60) -> dict[str, Any]:
        """Wait for a run's end."""
        found: dict[str, Any] = {}

        def look() -> bool:
            with self.client() as client:
                found.update(client.get(f"/api/runs/{run_id}/", params={"wait": 10}).json())
            return found["state"] in ("succeeded", "failed", "cancelled")

        eventually(look, within_s=within_s, what=f"the end of {run_id}")
        return found

    def logs(self) -> str:
        done = subprocess.run(
            [self._compose, "logs", "--no-color", "--tail", "15"],
            cwd=self.folder,
            env=self.engine.environment,
            capture_output=True,
            text=True,
        )
        return done.stdout[-6_000:]
