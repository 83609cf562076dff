"""`aiops env check` names what is wrong or missing in a file of variables, and prints no value."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from config.cli import main
from config.deployment import checking

KEY = "k" * 60
COMPOSE = f"""\
AIOPS_SECRET_KEY={KEY}
AIOPS_PUBLIC_URL=https://aiops.example.org
POSTGRES_PASSWORD=p0
RABBITMQ_PASSWORD=p1
REDIS_PASSWORD=p2
"""
APART = f"""\
AIOPS_SECRET_KEY={KEY}
AIOPS_PUBLIC_URL=https://aiops.example.org
DATABASE_URL=postgres://aiops:p@db.example.org/aiops
REDIS_URL=redis://:p@redis.example.org/0
"""


@pytest.mark.parametrize("text", [COMPOSE, APART], ids=["compose", "apart"])
def test_a_complete_file_has_no_problem(text: str) -> None:
    assert checking.problems(text.encode()) == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (COMPOSE.replace("p0", "Ab/9+c=Q"), "POSTGRES_PASSWORD has characters"),
        (COMPOSE.replace("p1", "a%2bb"), "RABBITMQ_PASSWORD has characters"),
        (COMPOSE.replace("p2", ""), "REDIS_PASSWORD is missing"),
        (APART.replace(KEY, "short-one"), "AIOPS_SECRET_KEY: too short"),
        (APART.replace(f"AIOPS_SECRET_KEY={KEY}\n", ""), "AIOPS_SECRET_KEY is missing"),
        (APART + "AIOPS_CONCURENCY=7123\n", "AIOPS_CONCURENCY is not a variable"),
        (APART + "AIOPS_LEASE_S='7123 s'\n", "AIOPS_LEASE_S: "),
        (APART.replace("p@db", "p7123/x@db"), "DATABASE_URL cannot be read"),
        (APART + "FLOWER_BASIC_AUTH=p7123\n", "FLOWER_BASIC_AUTH must be"),
        (APART + "LLM_TYPE: p7123\n", "Line 5 cannot be read"),
        (APART + 'LLM_TYPE="p7123\n', "Line 5 cannot be read"),
    ],
)
def test_each_problem_is_named_without_its_value(changed: str, named: str) -> None:
    (problem,) = checking.problems(changed.encode())
    assert problem.startswith(named)
    for value in ("Ab/9", "a%2b", "7123", "short-one"):
        assert value not in problem


def test_a_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes((APART + "# Schlüssel\n").encode("latin-1"))
    done = CliRunner().invoke(main, ["env", "check", str(file)])
    assert done.exit_code == 1
    assert "not UTF-8" in done.output


def test_the_example_misses_nothing_but_what_has_no_default(tmp_path: Path) -> None:
    lines = (Path(__file__).parents[2] / ".env.example").read_text()
    for name, value in (line.split("=", 1) for line in COMPOSE.splitlines()):
        assert f"#{name}=\n" in lines, name
        lines = lines.replace(f"#{name}=\n", f"{name}={value}\n")
    assert checking.problems(lines.encode()) == []
