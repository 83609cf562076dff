"""Tables of system prompts: SystemPrompt, PromptVersion."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from aiops.people.models import new_id
from aiops.system_prompts import fields


class SystemPrompt(models.Model):
    """A prompt that models are given; each change of its text is a version of its own."""

    class Status(models.TextChoices):
        DRAFT = "draft"
        APPROVED = "approved"
        RETIRED = "retired"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9][A-Za-z0-9 ._\-]*\Z", "Letters, digits, spaces, dots, - and _.")],
    )
    prompt_text = models.TextField()
    """With ``fields``, such as {current_date}."""
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DRAFT)
    version = models.PositiveIntegerField(default=1, editable=False)
    """Number of the text's version; raised by ``saving``."""
    tags = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        if len(self.prompt_text.encode()) > fields.MAX_BYTES:
            raise ValidationError({"prompt_text": f"The text has more than {fields.MAX_BYTES} bytes."})
        if problem := fields.problem(self.prompt_text):
            raise ValidationError({"prompt_text": problem})


class PromptVersion(models.Model):
    """A text that a prompt has or had."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    prompt = models.ForeignKey(SystemPrompt, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    prompt_text = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["prompt", "number"], name="one_text_per_version")]
