"""``aiops manage verify_audit``: verify the audit log straight from the database, without the server."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from aiops.audit import checkpoints
from aiops.audit.actions import SYSTEM, Action
from aiops.audit.recording import record
from aiops.audit.verifying import verify


class Command(BaseCommand):
    help = "Verify every row of the audit log; name the first one that was changed or is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--sign-checkpoints",
            action="store_true",
            help="sign all checkpoints with the present AIOPS_SECRET_KEY first, after the previous key was lost; "
            "it trusts them as they are, and the log says that you did",
        )

    def handle(self, *, sign_checkpoints: bool, **_: Any) -> None:
        """Verify page by page; raises CommandError at the first problem."""
        if sign_checkpoints:
            self._sign()
        after, checked = 0, 0
        while True:
            page = verify(after)
            checked += page.checked
            if page.problem is not None:
                raise CommandError(f"The audit log does not verify. {page.problem}")
            if page.done:
                break
            after = page.last.sequence
        self.stdout.write(f"{checked} rows verified, up to row {page.last.sequence}")

    def _sign(self) -> None:
        with transaction.atomic():
            count = checkpoints.sign_by_current_key(trusted=True)
            record(
                Action.AUDIT_SIGNED,
                actor=SYSTEM,
                actor_id=None,
                object="audit:checkpoints",
                details={"checkpoints": count, "trusted": True},
            )
        self.stdout.write(f"{count} checkpoints signed")
