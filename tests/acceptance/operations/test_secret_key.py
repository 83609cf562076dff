"""The steps of docs/operations/secret-key.md for one machine, as they are written."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx

from tests.acceptance.migrated import migrated
from tests.acceptance.system import System

PAGE = (Path(__file__).parents[3] / "docs/operations/secret-key.md").read_text()
PASSWORD = "correct-horse-battery"
MAKE = f"from aiops.people.models import User; User.objects.create_user('ann', password='{PASSWORD}')"


def sign_in(system: System) -> httpx.Cookies:
    with httpx.Client(base_url=system.url, timeout=30) as browser:
        (token,) = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', browser.get("/sign-in/").text)
        form = {"csrfmiddlewaretoken": token, "username": "ann", "password": PASSWORD}
        assert browser.post("/sign-in/", data=form).status_code == 302
        return browser.cookies


def is_signed_in(system: System, cookies: httpx.Cookies) -> bool:
    return httpx.get(f"{system.url}/webhooks/", cookies=dict(cookies), timeout=30).status_code == 200


def test_a_rotation_on_one_machine_signs_nobody_out(tmp_path: Path) -> None:
    home = tmp_path / ".aiops"
    first = System(migrated(home)).start()
    first.manage(MAKE)
    cookies = sign_in(first)
    assert first.stop() == 0
    (move,) = re.findall(r"^ *(mv \.aiops/secret_key .*)$", PAGE, re.MULTILINE)
    (remove,) = re.findall(r"`(rm \.aiops/secret_key_fallbacks)`", PAGE)
    subprocess.run(move, shell=True, check=True, cwd=tmp_path)
    second = System(home).start()
    assert (home / "secret_key").read_text() != (home / "secret_key_fallbacks").read_text()
    assert is_signed_in(second, cookies)
    assert "up to date" in second.cli("doctor").stdout
    assert second.stop() == 0
    subprocess.run(remove, shell=True, check=True, cwd=tmp_path)
    third = System(home).start()
    assert is_signed_in(third, cookies), "the new key has signed the session since"
    assert third.stop() == 0


def test_a_damaged_file_of_previous_keys_is_named_at_the_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "secret_key_fallbacks").write_text("short")
    done = System(home).cli("up")
    assert done.returncode == 1
    assert "secret_key_fallbacks, is too short" in done.stderr
    assert "Traceback" not in done.stderr
