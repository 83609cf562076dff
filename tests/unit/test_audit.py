"""The audit of locked packages fails for what is known to be bad, and says so when nobody could be asked."""

from __future__ import annotations

import subprocess

import pytest

from tests import audit

GOOD = {"name": "good", "version": "1", "vulns": []}
BAD = {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"], "aliases": []}]}
UNKNOWN = {"name": "unknown", "skip_reason": "not found at https://index.example.org"}


def test_a_known_vulnerability_fails_and_is_named() -> None:
    assert audit.judge({"dependencies": [GOOD, BAD]}) == (1, ["VULNERABLE bad 2: PYSEC-1, mended in 3"])
    assert audit.judge({"dependencies": [BAD, UNKNOWN]})[0] == 1


def test_an_audit_without_known_vulnerabilities_passes() -> None:
    assert audit.judge({"dependencies": [GOOD]})[0] == 0


@pytest.mark.parametrize("found", [{}, {"dependencies": [GOOD, UNKNOWN]}], ids=["nobody answers", "unknown packages"])
def test_packages_that_could_not_be_audited_are_named_without_an_address(found: dict) -> None:
    code, said = audit.judge(found)
    assert code == 0
    assert said[0].startswith("NOT AUDITED")
    assert "://" not in said[0]


@pytest.mark.parametrize("output", ["", "Could not connect", "{"])
def test_an_audit_that_breaks_is_one_that_did_not_answer(monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    done = subprocess.CompletedProcess([], 1, stdout=output, stderr="https://index.example.org")
    monkeypatch.setattr(audit.subprocess, "run", lambda *_, **__: done)
    assert audit.ask() == {}


def test_an_audit_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("pip-audit", timeout)

    monkeypatch.setattr(audit.subprocess, "run", hang)
    assert audit.ask() == {}
