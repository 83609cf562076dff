"""Saves and removes system prompts, the same way from every door."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction

from aiops.apps import features, load
from aiops.errors import Invalid
from aiops.people.models import User
from aiops.rows import check, refuse_in_use
from aiops.system_prompts.models import PromptVersion, SystemPrompt


def put(prompt: SystemPrompt, fields: dict[str, Any], user: User) -> SystemPrompt:
    """Apply fields and save, a changed text as a new version; raises Invalid, or Conflict to retire one in use."""
    is_new, text = prompt._state.adding, prompt.prompt_text
    for name, value in fields.items():
        setattr(prompt, name, value)
    if not is_new and prompt.status != SystemPrompt.Status.APPROVED:
        refuse_in_use(users(prompt), to=f"made {prompt.status}")
    changed = is_new or prompt.prompt_text != text
    if changed and not is_new:
        prompt.version += 1
    check(prompt)
    try:
        with transaction.atomic():
            prompt.save()
            if changed:
                PromptVersion.objects.create(
                    prompt=prompt, number=prompt.version, prompt_text=prompt.prompt_text, author=user
                )
    except IntegrityError as error:
        raise Invalid("Correct name.", errors={"name": ["Another change came first: try again."]}) from error
    prompt.refresh_from_db()
    return prompt


def remove(prompt: SystemPrompt) -> None:
    """Delete a prompt with its versions; raises Conflict, naming who uses it."""
    refuse_in_use(users(prompt), to="deleted")
    prompt.delete()


def users(prompt: SystemPrompt) -> list[str]:
    """Return what refers to a prompt, as people read it."""
    return [one for feature in features() if feature.prompt_users for one in load(feature.prompt_users)(prompt)]
