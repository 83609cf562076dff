"""(p) What middleware of a model's rows costs: a turn of the bare agent with ten of them, and with each alone."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.benchmarks import database
from tests.benchmarks.chains import ALL, NONE
from tests.benchmarks.checks import Check, Other, at_most_times, reported
from tests.benchmarks.options import Options
from tests.benchmarks.stack import ROOT, Stack

TITLE = "ten middleware of a model"
MOST = 3.0


def measure(options: Options) -> list[Check]:
    with database.own() as url, Stack(DATABASE_URL=url) as stack:
        env = {**stack.env, "REDIS_URL": stack.redis_url, "AIOPS_SECRET_KEY": "x" * 60}
        command = [sys.executable, "-m", "tests.benchmarks.chains", str(options.some(200))]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    median: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    bare = median.pop(NONE)
    whole = at_most_times("a turn with all ten", median.pop(ALL), "ms", MOST, Other("with none", bare))
    return [whole, *(reported(f"{name}, more than with none", each - bare, "ms") for name, each in median.items())]
