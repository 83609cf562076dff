"""The support bundle: an archive of versions, settings without secrets, doctor's findings and logs, all redacted."""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path

from pydantic import SecretStr

from aiops.events.redaction import Redactor
from aiops.settings import Settings
from config.local.home import Home

LOG_BYTES = 1_000_000
"""Maximum size of each log: its end."""
DOCTOR_S = 60


def bundle(settings: Settings, home: Home, to: Path) -> list[str]:
    """Write the archive, readable by its owner only; return the names of its members. Raises OSError."""
    redactor, names = Redactor.from_settings(settings), []
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as opened:
        with tarfile.open(fileobj=opened, mode="w:gz") as archive:
            for name, text in _parts(settings, home):
                # Line by line: the redactor has a time limit per call.
                data = "\n".join(map(redactor.redact, text.split("\n"))).encode()
                member = tarfile.TarInfo(f"aiops-support/{name}")
                member.size, member.mode = len(data), 0o600
                archive.addfile(member, io.BytesIO(data))
                names.append(name)
    return names


def _parts(settings: Settings, home: Home) -> Iterator[tuple[str, str]]:
    yield "versions.txt", _versions()
    yield "settings.json", _settings(settings)
    yield "doctor.json", _doctor()
    for path in sorted(home.logs.glob("*.log")):
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - LOG_BYTES, 0))
            yield f"logs/{path.name}", file.read().decode(errors="replace")


def _versions() -> str:
    packages = sorted({f"{found.metadata['Name']} {found.version}" for found in distributions()}, key=str.lower)
    return "\n".join([f"python {platform.python_version()}", f"system {platform.platform()}", *packages]) + "\n"


def _settings(settings: Settings) -> str:
    shown = {}
    values = {name: getattr(settings, name) for name in type(settings).model_fields if name != "providers"}
    values |= {name.lower(): value for name, value in settings.providers.items()}
    for name, value in values.items():
        if isinstance(value, SecretStr):
            value = "(set)" if value.get_secret_value() else ""
        shown[name] = value if isinstance(value, str | int | float | bool | dict | list | None) else str(value)
    return json.dumps(shown, indent=1, ensure_ascii=False)


def _doctor() -> str:
    command = [sys.executable, "-m", "config.cli", "doctor", "--json"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOCTOR_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return json.dumps({"error": f"doctor did not end within {DOCTOR_S} s"})
    return done.stdout or json.dumps({"error": done.stderr[-2_000:]})
