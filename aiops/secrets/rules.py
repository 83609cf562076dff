"""Validates the row of a secret."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError

from aiops.secrets import variables

if TYPE_CHECKING:
    from aiops.secrets.models import Secret

NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._\-]{0,59}\Z")
PATH = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9._\-]*(/[A-Za-z0-9_][A-Za-z0-9._\-]*)*\Z")
VAULT = re.compile(
    r"^(?P<mount>[A-Za-z0-9_\-]+(/[A-Za-z0-9_\-]+)*):(?P<path>[A-Za-z0-9_\-][A-Za-z0-9_.\-]*(/[A-Za-z0-9_\-][A-Za-z0-9_.\-]*)*)"
    r"#(?P<field>[A-Za-z0-9_.\-]+)\Z"
)
NO_VALUE = "Give its value."
NO_REFERENCE = "Leave it empty: the value is stored here."
REFERENCES = {
    "env": "Give a variable of the workers whose name begins with AIOPS_SECRET_, such as AIOPS_SECRET_NETBOX.",
    "file": "Give a path below AIOPS_SECRETS_DIR, such as netbox/token: no / at its beginning, and no parent folders.",
    "vault": "Give mount:path#field of a KV version 2 engine, such as secret:network/netbox#token.",
}


def check(secret: Secret) -> None:
    """Raise ValidationError, by field, for a secret that could never be resolved."""
    if secret.kind == secret.Kind.STORED:
        if secret.reference:
            raise ValidationError({"reference": NO_REFERENCE})
        if not secret.encrypted:
            raise ValidationError({"value": NO_VALUE})
        return
    if secret.kind not in REFERENCES:
        return  # Django says which there are
    secret.encrypted = ""
    if not _is_reference(secret.kind, secret.reference):
        raise ValidationError({"reference": REFERENCES[secret.kind]})


def _is_reference(kind: str, reference: str) -> bool:
    if kind == "env":
        return bool(variables.FORM.match(reference)) and reference not in variables.OWN
    return bool((PATH if kind == "file" else VAULT).match(reference))
