"""``aiops manage alert_rules``: the rules for Prometheus, with links to this server's run-book."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from aiops import settings
from aiops.monitoring import runbook


class Command(BaseCommand):
    help = "Print Prometheus rules whose alerts link to the run-book at AIOPS_PUBLIC_URL."
    requires_system_checks: list[str] = []

    def handle(self, **_: Any) -> None:
        """Print the rules; raises CommandError when the address of the run-book is not known."""
        public_url = settings.current().public_url
        if not public_url:
            raise CommandError("AIOPS_PUBLIC_URL is not set: the alerts link to the run-book at that address.")
        self.stdout.write(runbook.rules(public_url=public_url), ending="")
