"""Times the steps in which a million old runs are removed; a process of its own for each database."""

from __future__ import annotations

import json
import time

from django.core.management import call_command

from aiops.people.models import User
from aiops.retention import pruning, rules
from aiops.retention.pruning import Pruned
from aiops.retention.rules import Rule
from tests.benchmarks.filling import fill


def main(rows: int, for_s: float) -> None:
    """Fill the tables, prune for so long, and print how long each step took, milliseconds, and how many went."""
    call_command("migrate", verbosity=0)
    fill(User.objects.create_user("ann").pk, runs=rows)
    took: list[float] = []
    step = pruning.step

    def timed(rule: Rule, pruned: Pruned, *, size: int) -> int:
        begun = time.perf_counter()
        found = step(rule, pruned, size=size)
        took.append((time.perf_counter() - begun) * 1e3)
        return found

    pruning.step = timed
    removed = pruning.prune(Rule(rules.kinds()["runs"], "succeeded", 30), for_s=for_s).removed
    print(json.dumps({"took": took, "removed": removed}), flush=True)
