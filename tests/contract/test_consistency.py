"""Sizes, imports, names, entry points and locks are consistent, and documents match the code."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import uvicorn
import yaml
from uvicorn.main import main as uvicorn_command

from aiops import dispatch
from aiops.llm import clients
from aiops.llm.environment import OFFLINE_MODEL
from aiops.settings import Settings
from config import reference
from config.local import processes, uvicorn_server
from tests.benchmarks import echo

ROOT = Path(__file__).parents[2]
SOURCES = [
    p for folder in ("aiops", "workers", "config") for p in (ROOT / folder).rglob("*.py") if "migrations" not in p.parts
]
COMMANDS = importlib.metadata.entry_points(group="aiops.commands")
HEAVY = ("langchain", "langchain_core", "langgraph", "mcp", "langchain_mcp_adapters", "numpy")


def in_a_fresh_process(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    files = [*SOURCES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "aiops/web/static/web").glob("*")]
    long = {str(p.relative_to(ROOT)): n for p in files if (n := len(p.read_text().splitlines())) > 400}
    assert long == {}


def test_the_web_loads_nothing_of_the_agent() -> None:
    code = f"import config.asgi, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert in_a_fresh_process(code).strip() == "[]"


@pytest.mark.parametrize("program", ["in_process", "reading", "tool_server", "up", "worker"])
def test_each_program_of_the_benchmarks_loads_as_it_is_started(program: str) -> None:
    code = f"import os; os.environ.pop('DJANGO_SETTINGS_MODULE'); import tests.benchmarks.{program}; print('loaded')"
    assert in_a_fresh_process(code).strip() == "loaded"


@functools.cache
def loaded_by(*part: str) -> tuple[str, list[str]]:
    """Return what the help of a command loads: (which of Django, Celery and LangChain, modules of commands)."""
    code = (
        f"import sys; sys.argv = ['aiops', *{part!r}, '--help']\n"
        "from config.cli import main\n"
        "try: main()\n"
        "except SystemExit:\n"
        "    print('loaded', *(m for m in ('django', 'celery', 'langchain') if m in sys.modules))\n"
        "    print('loaded', *(m for m in sys.modules if m[:6] == 'aiops.' and m[-4:] == '.cli'))"
    )
    heavy, commands = in_a_fresh_process(code).splitlines()[-2:]
    return heavy.removeprefix("loaded").strip(), commands.split()[1:]


@pytest.mark.parametrize("part", [[], ["up"], ["logs"], ["move"], *([name] for name in sorted(COMMANDS.names))])
def test_commands_start_without_django_or_the_agent(part: list[str]) -> None:
    assert loaded_by(*part)[0] == ""


@pytest.mark.parametrize("entry", COMMANDS, ids=lambda entry: entry.name)
def test_a_command_loads_its_own_module_and_no_other_commands(entry: importlib.metadata.EntryPoint) -> None:
    assert loaded_by(entry.name)[1] == [entry.module]


def test_every_module_of_commands_has_its_entry_point() -> None:
    files = [*ROOT.glob("aiops/*/cli.py"), *(path.parent for path in ROOT.glob("aiops/*/cli/__init__.py"))]
    modules = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    assert sorted({entry.module for entry in COMMANDS}) == modules


def test_celery_publishes_to_our_broker_wherever_django_is_set_up() -> None:
    """Celery's own default is RabbitMQ at localhost: what is sent there is lost, and only the reaper would notice."""
    code = (
        "import threading, django; django.setup()\n"
        "from celery import current_app; from django.conf import settings\n"
        "def look():\n"
        "    uri = current_app.connection_for_write().as_uri(include_password=True)\n"
        "    print(current_app.main, current_app.conf.broker_url[:8], uri.startswith(settings.SETTINGS.broker))\n"
        "thread = threading.Thread(target=look); thread.start(); thread.join(); look()"
    )
    assert in_a_fresh_process(code).splitlines() == ["aiops redis:// True"] * 2


def test_every_task_name_has_a_task() -> None:
    code = (
        "import django; django.setup()\nimport config.celery as c, workers.batch, workers.upkeep\n"
        "c.app.finalize(); print(sorted(n for n in c.app.tasks if n.startswith('aiops.')))"
    )
    names = sorted([dispatch.RUN_TASK, dispatch.VALIDATE_TASK, dispatch.UPKEEP_TASK, dispatch.CANARY_TASK])
    assert in_a_fresh_process(code).strip() == str(names)


def test_migrations_are_complete() -> None:
    call = "from django.core.management import call_command; call_command('makemigrations', check=True, verbosity=0)"
    in_a_fresh_process(f"import django; django.setup(); {call}")


def test_the_document_and_the_example_list_every_variable() -> None:
    text = (ROOT / "docs/settings.md").read_text()
    assert text == reference.document(), "run: python -m config.reference"
    assert (ROOT / ".env.example").read_text() == reference.example(), "run: python -m config.reference"
    assert "generated by" in text
    assert "(docs/settings.md)" in (ROOT / "README.md").read_text()


def test_the_documents_say_that_the_variables_of_opentelemetry_have_no_effect_and_nothing_reads_them() -> None:
    assert "Traces are not exported, so `OTEL_*` variables have no effect." in (ROOT / "docs/settings.md").read_text()
    assert "opentelemetry" not in (ROOT / "requirements.lock").read_text()
    assert [path for path in SOURCES if "OTEL_" in path.read_text()] == [Path(reference.__file__)]


def test_every_error_code_is_in_the_documents() -> None:
    listed = set(re.findall(r"^\| `(\w+)`", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    source = "\n".join(p.read_text() for p in SOURCES if p.name != "schema.py" and p.parent.name != "doctor")
    used = set(re.findall(r'(?:^    code(?:: str)?|\bcode|"code") ?[=:] ?"(\w+)"', source, re.MULTILINE))
    used |= set(re.findall(r'body\(\s*\d{3}, "(\w+)"|_fail\(request, \d{3}, "(\w+)"', source)[0]) - {""}
    notices = {"degraded", "tool_server_down", "memory_rebuilt", "memory_unavailable"}
    assert used - listed - notices == set()


def unnamed(command: str) -> str:
    """Leave out a worker's name: `aiops up` counts its workers, a Procfile names them by process id."""
    return re.sub(r" -n \S+", "", command)


def test_the_processes_are_the_same_everywhere() -> None:
    plain = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    plain = {name: unnamed(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", command)) for name, command in plain.items()}
    ours = {
        "web": processes.web("127.0.0.1", 8000),
        "worker-runs": processes.worker_runs(1, concurrency=250),
        "worker-batch": processes.worker_batch(concurrency=32),
        "worker-upkeep": processes.worker_upkeep(),
        "beat": processes.beat(),
    }
    assert plain == {name: unnamed(" ".join(command[2:])) for name, command in ours.items()}
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    for name, command in plain.items():
        composed = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", services[name]["command"])
        assert unnamed(composed) == command.replace("127.0.0.1", "0.0.0.0")
        assert services[name]["read_only"]


def test_a_web_process_of_aiops_up_has_the_options_of_the_procfile() -> None:
    asked = uvicorn_command.make_context("uvicorn", processes.web("127.0.0.1", 8000)[3:]).params
    known = inspect.signature(uvicorn.Config).parameters
    options = {name: value for name, value in asked.items() if name in known and value not in (None, ())}
    assert vars(uvicorn_server.config()) == vars(uvicorn.Config(**options))


def test_the_lock_files_name_no_index_and_hash_everything() -> None:
    for path in [*ROOT.glob("requirements*.lock"), *(ROOT / "tests/wire").glob("requirements*.lock")]:
        text = path.read_text()
        assert "://" not in text
        pinned = re.findall(r"^[a-z0-9][\w.\-]*(?:\[.*?\])?==", text, re.MULTILINE)
        assert len(pinned) > 30
        assert text.count("--hash=sha256:") >= len(pinned)


def test_the_lock_of_the_servers_for_node_names_no_registry_and_hashes_everything() -> None:
    locked = json.loads((ROOT / "tests/wire/package-lock.json").read_text())["packages"]
    theirs = {path: package for path, package in locked.items() if path}
    assert len(theirs) > 100
    assert [path for path, package in theirs.items() if "resolved" in package or "integrity" not in package] == []


def test_every_direct_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements.lock").read_text().lower()
    for requirement in project["dependencies"]:
        name = re.match(r"[\w.\-]+", requirement)[0].lower()
        assert re.search(rf"^{re.escape(name)}(\[.*\])?==", locked, re.MULTILINE), name


def test_what_the_program_imports_is_locked_for_running_it() -> None:
    """A package that only the test tools bring would be missing where nobody tests."""
    locked = {
        n.replace("_", "-")
        for n in re.findall(r"^([\w.\-]+)(?:\[.*\])?==", (ROOT / "requirements.lock").read_text(), re.M)
    }
    homes = importlib.metadata.packages_distributions()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for path in SOURCES:
        if path.parent.name == "wire" and path.stem in extras:  # its absence is an error that names the command
            continue
        for name in re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), re.MULTILINE):
            if name in sys.stdlib_module_names or name in ("aiops", "workers", "config"):
                continue
            assert {d.lower().replace("_", "-") for d in homes[name]} & locked, f"{path}: {name}"


def test_the_echo_of_the_benchmarks_stands_in_for_the_offline_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiops.llm.offline.model", echo)
    client = asyncio.run(clients.make(OFFLINE_MODEL, Settings(), timeout_s=1))
    assert isinstance(client.model, echo.Echo)
