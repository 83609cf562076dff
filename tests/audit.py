"""``make lint``: known vulnerabilities of what ``requirements.lock`` installs, where the network lets one ask."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).parents[1] / "requirements.lock"
WHOLE_S = 20
OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--desc", "off")
"""What is locked is looked up as it stands: nothing is resolved or installed."""


def ask() -> dict[str, Any]:
    """Return what pip-audit found; nothing when the service cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), *OPTIONS, "--timeout", "5"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WHOLE_S)
        found: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        return {}
    return found


def judge(found: dict[str, Any]) -> tuple[int, list[str]]:
    """Return (exit code, what to say): only a known vulnerability fails; that nobody could be asked is said aloud."""
    packages = found.get("dependencies", [])
    known = [p for p in packages if "skip_reason" not in p]
    bad = [
        f"{p['name']} {p['version']}: {v['id']}, mended in {', '.join(v['fix_versions']) or 'no release'}"
        for p in known
        for v in p["vulns"]
    ]
    said = [f"VULNERABLE {line}" for line in bad]
    if not packages:
        said.append("NOT AUDITED: the service of known vulnerabilities did not answer.")
    elif len(known) < len(packages):
        said.append(
            f"NOT AUDITED: the service knows nothing of {len(packages) - len(known)} of {len(packages)} packages."
        )
    return (1 if bad else 0), said or [f"{len(known)} locked packages have no known vulnerability."]


if __name__ == "__main__":
    code, lines = judge(ask())
    print("\n".join(f"audit: {line}" for line in lines), file=sys.stderr)
    sys.exit(code)
