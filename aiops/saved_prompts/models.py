"""The table of saved prompts."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from aiops.people.models import User, new_id


class SavedPrompt(models.Model):
    """A text that its owner picks in the chat by name; everybody does if it is shared."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_prompts")
    name = models.CharField(max_length=60)
    text = models.TextField()
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="one_saved_prompt_per_name")]
        indexes = [models.Index(fields=["name"], condition=Q(is_shared=True), name="shared_prompts")]

    def __str__(self) -> str:
        return self.name


def visible_to(user: User) -> QuerySet[SavedPrompt]:
    """Return a user's own prompts and those that others share."""
    return SavedPrompt.objects.filter(Q(user=user) | Q(is_shared=True))
