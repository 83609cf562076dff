"""A plugin of pytest: an environment of the tests' own and, for all but the unit tests, a private Valkey and Django."""

from __future__ import annotations

import gc
import os
import secrets
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from aiops.llm.providers import variables
from tests.interrupts import let_children_be_interrupted

OTHER_DATABASE = os.environ.get("AIOPS_TEST_DATABASE_URL", "")
"""Where the integration tests run instead of SQLite, such as postgres://postgres@127.0.0.1/postgres."""
HOME = Path(tempfile.mkdtemp(prefix="aiops-tests-"))
UNIT = Path(__file__).with_name("unit")
FROM_OUTSIDE = (
    "AIOPS_",
    "LLM_",
    *(name.partition("_")[0] + "_" for name in variables()),
    "DATABASE_URL",
    "FORWARDED_ALLOW_IPS",
    "REDIS_URL",
    "CELERY_",
    "CHECKPOINT_",
    "LOG_LEVEL",
)
for name in [n for n in os.environ if n.startswith(FROM_OUTSIDE)]:
    del os.environ[name]
os.environ["AIOPS_HOME"] = str(HOME)
os.environ["AIOPS_SECRET_KEY"] = secrets.token_urlsafe(48)
os.environ["DATABASE_URL"] = OTHER_DATABASE or f"sqlite:///{HOME / 'unit.sqlite3'}"
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ["no_proxy"] = "*"


def _start_valkey() -> subprocess.Popen[bytes]:
    from config.local import valkey
    from config.local.home import Home

    home = Home(HOME / "valkey-of-tests")
    home.valkey.mkdir(parents=True)
    command, url = valkey.configure(home)
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 10
    while not valkey.is_ready(url):
        assert time.monotonic() < until, "the private Valkey did not start"
        time.sleep(0.02)
    os.environ["REDIS_URL"] = url
    return server


_server: list[subprocess.Popen[bytes]] = []


let_children_be_interrupted()


def _only_unit_tests(config: pytest.Config) -> bool:
    paths = [config.invocation_params.dir / one.partition("::")[0] for one in config.known_args_namespace.file_or_dir]
    return bool(paths) and all(path.is_relative_to(UNIT) for path in paths)


@pytest.hookimpl(tryfirst=True)  # pytest-django looks for settings in its own
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Start what tests outside tests/unit need, before any of them is imported."""
    if _only_unit_tests(early_config):
        return
    import django

    _server.append(_start_valkey())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    django.setup()
    from django.conf import settings

    # Django's own costs 0.2 s for each of the hundreds of users that the tests make; what `aiops up` starts keeps it.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def pytest_collection_finish() -> None:
    """Let collections of garbage during the tests skip the hundreds of thousands of objects that all tests share."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    for server in _server:
        server.terminate()
        server.wait(timeout=10)
