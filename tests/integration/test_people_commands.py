"""``aiops manage issue_token``: the way to a token where nobody has started ``aiops up``."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from aiops.people import tokens
from aiops.people.models import ApiToken, User
from config import management

pytestmark = pytest.mark.django_db


def issued(capsys: pytest.CaptureFixture[str], *arguments: str) -> ApiToken:
    call_command("issue_token", *arguments)
    found = tokens.find(capsys.readouterr().out.strip())
    assert found is not None
    return found


def test_a_token_is_printed_and_works(capsys: pytest.CaptureFixture[str]) -> None:
    user = User.objects.create_user("ops")
    token = issued(capsys, "ops")
    assert (token.user, token.scope, token.expires_at) == (user, "full", None)


def test_a_token_may_only_read_and_expire(capsys: pytest.CaptureFixture[str]) -> None:
    User.objects.create_user("ops")
    token = issued(capsys, "ops", "--scope", "read", "--days", "30", "--name", "dashboards")
    assert (token.scope, token.name) == ("read", "dashboards")
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=5)


@pytest.mark.parametrize("who", ["nobody", "locked"])
def test_who_may_not_come_in_gets_no_token(who: str) -> None:
    User.objects.create_user("locked", is_active=False)
    with pytest.raises(CommandError, match=f"no active user '{who}'"):
        call_command("issue_token", who)
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("days", ["0", "-1", "99999"])
def test_days_out_of_range_are_refused(days: str) -> None:
    User.objects.create_user("ops")
    with pytest.raises(CommandError, match="--days must be from 1"):
        call_command("issue_token", "ops", f"--days={days}")


@pytest.mark.parametrize("option", ["--noinput", "--no-input"])
def test_an_administrator_without_a_password_is_refused(monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    monkeypatch.delenv("DJANGO_SUPERUSER_PASSWORD", raising=False)
    with pytest.raises(SystemExit, match="set DJANGO_SUPERUSER_PASSWORD"):
        management._refuse_passwordless(["createsuperuser", option, "--username", "x"])
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "long-enough-1")
    management._refuse_passwordless(["createsuperuser", option])
    management._refuse_passwordless(["migrate", option])
