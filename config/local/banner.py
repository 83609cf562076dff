"""The text that ``aiops up`` prints when everything is ready; its commands can be pasted into another terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from aiops.settings import Settings
from config.local.home import Home

FLOWER_USER = "aiops"


def text(
    settings: Settings, home: Home, administrator: str, *, model: str, address: str, elsewhere: Sequence[str]
) -> str:
    """Return the text; ``model`` says which one answers, ``elsewhere`` are URLs for other machines."""
    own = command(home.path)
    signs_in = f"{administrator}   (password forgotten: {own} manage changepassword {administrator})"
    if home.first_password.exists():
        signs_in = f"{administrator} / {home.first_password.read_text()}   (shown this once)"
    rows = [
        ("Address", settings.public_url or address),
        *([("", "   ".join(elsewhere[:3]))] if elsewhere else []),
        ("Sign in", signs_in),
        ("Model", model),
        ("Data", str(home.path)),
        ("Logs", str(home.logs)),
        ("API token", str(home.token)),
        ("Try", f'{own} chat "hello"'),
    ]
    if flower := os.environ.get("AIOPS_FLOWER_URL"):
        rows.append(("Flower", f"{flower}   ({FLOWER_USER} / {home.flower_password})"))
    lines = [f"  {name:<10} {value}" for name, value in [*rows, ("Stop", "Ctrl-C")]]
    return "\n".join(["", "aiops is ready.", "", *lines, ""])


def command(home: Path) -> str:
    """Return the command that runs aiops for this home from any folder; by its path, unless PATH finds it."""
    installed, found = Path(sys.executable).with_name("aiops"), shutil.which("aiops")
    if not installed.exists():
        program = f"{shlex.quote(sys.executable)} -m config.cli"
    elif found is not None and Path(found).samefile(installed):
        program = "aiops"
    else:
        program = shlex.quote(str(installed))
    return f"AIOPS_HOME={shlex.quote(str(home))} {program}"
