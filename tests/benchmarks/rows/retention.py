"""(l) How long the steps are in which a million old runs are removed: nobody waits longer for one of them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.benchmarks import database
from tests.benchmarks.checks import Check, at_most, reported
from tests.benchmarks.options import Options
from tests.benchmarks.rows.large_tables import private_valkey
from tests.benchmarks.stack import ROOT

TITLE = "1,000,000 old runs pruned"
ROWS = 1_000_000
FOR_S = 20
CODE = "import django; django.setup(); from tests.benchmarks import pruning; pruning.main({rows}, {for_s})"


def measure(options: Options) -> list[Check]:
    rows = options.some(ROWS)
    with tempfile.TemporaryDirectory(prefix="aiops-bench-") as folder, private_valkey(Path(folder)) as redis_url:
        checks = _prune("SQLite", f"sqlite:///{folder}/rows.sqlite3", redis_url, rows)
        with database.own() as url:
            return checks + _prune("PostgreSQL", url, redis_url, rows)


def _prune(name: str, url: str, redis_url: str, rows: int) -> list[Check]:
    environment = {"DATABASE_URL": url, "REDIS_URL": redis_url, "AIOPS_SECRET_KEY": "x" * 60, "LOG_LEVEL": "ERROR"}
    environment |= {"DJANGO_SETTINGS_MODULE": "config.settings"}
    command = [sys.executable, "-c", CODE.format(rows=rows, for_s=FOR_S)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    took = sorted(seen["took"])
    note = f"{len(took)} steps, {seen['removed']} runs in {FOR_S} s"
    return [
        at_most(f"{name}, longest step", took[-1], "ms", 200, note=note),
        reported(f"{name}, step p50", took[len(took) // 2], "ms"),
    ]
