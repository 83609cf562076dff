"""Saves prompts."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from aiops.errors import Invalid, TooMany
from aiops.people import accounts
from aiops.people.models import User
from aiops.saved_prompts.models import SavedPrompt

MOST = 500
"""Prompts of one person."""
TAKEN = "You already have a prompt of this name."


def make(user: User, fields: dict[str, Any]) -> SavedPrompt:
    """Create a prompt; raises Invalid for a name that the user has already, TooMany. Must run in a transaction."""
    accounts.lock_active(user.pk)  # or two simultaneous requests could both find room for one more
    if SavedPrompt.objects.filter(user=user).count() >= MOST:
        raise TooMany(f"You have {MOST} saved prompts, the most one person may have: delete one first.")
    return put(SavedPrompt(user=user), fields)


def put(prompt: SavedPrompt, fields: dict[str, Any]) -> SavedPrompt:
    """Apply fields and save; raises Invalid for a name that the owner has already."""
    for name, value in fields.items():
        setattr(prompt, name, value)
    try:
        with transaction.atomic():
            prompt.save()
    except IntegrityError as error:
        raise Invalid("Correct name.", errors={"name": [TAKEN]}) from error
    prompt.refresh_from_db()
    return prompt
