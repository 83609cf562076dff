"""The table of secrets."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.secrets import rules

USE = "secrets.use_secret"


class Secret(models.Model):
    """A value that only workers read, at run time. Rows of kind ``stored`` alone hold it, encrypted."""

    class Kind(models.TextChoices):
        ENV = "env", "Variable of the workers"
        FILE = "file", "File of the workers"
        VAULT = "vault", "HashiCorp Vault"
        STORED = "stored", "Stored here, encrypted"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(rules.NAME, "Letters, digits, dots, dashes and underscores.")],
    )
    kind = models.CharField(max_length=6, choices=Kind.choices)
    reference = models.CharField(max_length=300, blank=True)
    """Where the value is: a variable, a path below AIOPS_SECRETS_DIR, or ``mount:path#field`` of Vault."""
    encrypted = models.TextField(blank=True, editable=False)
    """The value of kind ``stored`` (see ``encryption``); empty otherwise."""
    tags = models.JSONField(default=list, db_default=models.Value([], models.JSONField()), blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        # Whoever may make a row refer to a secret can send it to an address of their own.
        permissions = [("use_secret", "Can refer to secrets, and change addresses that get one")]
        constraints = [
            models.CheckConstraint(
                name="a_secret_is_stored_or_referred_to",
                condition=Q(kind="stored", reference="") & ~Q(encrypted="")
                | Q(kind__in=["env", "file", "vault"], encrypted="") & ~Q(reference=""),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        rules.check(self)
