"""``aiops manage rotate_secrets``: encrypts every stored secret with the first key of AIOPS_ENCRYPTION_KEYS."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.management.base import BaseCommand, CommandError

from aiops.apps import features, load
from aiops.secrets import encryption


class Command(BaseCommand):
    help = "Encrypt stored secrets with the first key of AIOPS_ENCRYPTION_KEYS, after a key was put before the others."

    def handle(self, **_: Any) -> None:
        """Write only the encrypted values; raises CommandError, after all others, if a value's key is lost."""
        settings = django_settings.SETTINGS
        if not settings.encryption_key_ring():
            raise CommandError("AIOPS_ENCRYPTION_KEYS is not set.")
        changed, lost = 0, []
        for table in [load(one) for feature in features() for one in feature.encrypted]:
            for pk, old in table.objects.exclude(encrypted="").values_list("pk", "encrypted"):
                if encryption.is_current(old, settings):
                    continue
                try:
                    new = encryption.encrypt(encryption.decrypt(old, settings), settings)
                except encryption.NoKey:
                    lost += [str(row) for row in table.objects.filter(pk=pk)]
                    continue
                # by the old value, because somebody may save a new one meanwhile
                changed += table.objects.filter(pk=pk, encrypted=old).update(encrypted=new)
        self.stdout.write(f"{changed} encrypted with the first key.")
        if lost:
            raise CommandError(f"No key decrypts: {', '.join(lost)}. Add their key, or save their values again.")
