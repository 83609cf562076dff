"""``aiops manage issue_token NAME``: an API token for a user, without the page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from aiops.people import tokens
from aiops.people.models import ApiToken, User

MAX_DAYS = 3_650


class Command(BaseCommand):
    help = "Print a new API token of a user; it is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="NAME", help="the user, such as admin")
        parser.add_argument("--scope", choices=ApiToken.Scope.values, default=ApiToken.Scope.FULL)
        parser.add_argument("--name", default="issue_token", help="what it is called in the list of tokens")
        parser.add_argument("--days", type=int, help="days until it expires; otherwise it does not")

    def handle(self, *, username: str, scope: str, name: str, days: int | None, **_: Any) -> None:
        """Issue the token; raises CommandError when there is no such active user or the days are out of range."""
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"There is no active user {username!r}: aiops manage createsuperuser makes one.")
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise CommandError(f"--days must be from 1 to {MAX_DAYS}.")
        expires_at = timezone.now() + timedelta(days=days) if days else None
        text = tokens.issue(user, name=name[:100], scope=scope, expires_at=expires_at)[1]
        self.stdout.write(text)
