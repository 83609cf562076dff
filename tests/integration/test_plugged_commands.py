"""Installed packages add commands by entry point; one that cannot be loaded harms no other."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from config.cli import main
from config.commands import GROUP
from tests.integration.test_command_line import aiops

OURS = {*main.commands, *(entry.name for entry in entry_points(group=GROUP) if entry.value.startswith("aiops."))}
MODULE = '''
import click
from aiops.terminal.client import Client
from aiops.terminal.options import client_options

@click.command()
def hello():
    """Say hello."""
    print("hello")

@click.command()
@client_options
def where(client: Client):
    """Print the server's address."""
    print(client.url)

@click.command()
@client_options
def call(client: Client):
    """Call the server."""
    client.get("/api/greetings/")
'''
ENTRY_POINTS = """
[aiops.commands]
hello = greetings:hello
where = greetings:where
call = greetings:call
absent = no_such_package:command
broken = broken:command
nothing = greetings:MODULE
number = greetings:__name__
runs = greetings:hello
up = greetings:hello
"""
REASONS = {
    "absent": "No module named 'no_such_package'",
    "broken": "ZeroDivisionError",
    "nothing": "has no attribute 'MODULE'",
    "number": "it is not a click command",
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of installed packages."""
    (tmp_path / "greetings.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("command = 1 / 0\n")
    info = tmp_path / "greetings-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


def test_all_commands_that_can_be_loaded_are_listed_and_the_others_named_on_standard_error(site: Path) -> None:
    done = aiops("--help", folder=site)
    assert done.returncode == 0
    listed = re.findall(r"^  (\S+)  +\S", done.stdout.partition("Commands:")[2], re.MULTILINE)
    assert listed == sorted([*OURS, "call", "hello", "where"])
    assert "  hello           Say hello.\n" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == len(REASONS)
    for line, (name, why) in zip(lines, sorted(REASONS.items()), strict=True):
        assert line.startswith(f"aiops: the command '{name}' (")
        assert why in line


@pytest.mark.parametrize(("name", "why"), REASONS.items())
@pytest.mark.parametrize("rest", [(), ("--help",), ("some", "--thing")])
def test_a_command_that_cannot_be_loaded_says_why_when_it_is_called(
    site: Path, name: str, why: str, rest: tuple[str, ...]
) -> None:
    done = aiops(name, *rest, folder=site)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("aiops: ")
    assert done.stderr.count("\n") == 1, done.stderr
    assert why in done.stderr


def test_a_command_of_a_package_works_and_gets_a_client_of_the_server(site: Path) -> None:
    assert aiops("hello", folder=site).stdout == "hello\n"
    assert aiops("where", folder=site).stdout == "http://127.0.0.1:1\n"
    assert aiops("where", "--url", "http://127.0.0.1:2", folder=site).stdout == "http://127.0.0.1:2\n"
    failed = aiops("call", folder=site)
    assert (failed.returncode, failed.stderr.count("\n")) == (1, 1)
    assert failed.stderr.startswith("aiops: http://127.0.0.1:1 cannot be reached")


@pytest.mark.parametrize("name", ["runs", "up"])
def test_a_package_cannot_take_the_name_of_a_command_of_ours(site: Path, name: str) -> None:
    assert f"Usage: aiops {name}" in aiops(name, "--help", folder=site).stdout


def test_a_name_that_is_spelt_alike_is_suggested(site: Path) -> None:
    assert "Did you mean 'hello'?" in aiops("helo", folder=site).stderr
