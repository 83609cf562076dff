"""The JSON of system prompts."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aiops.system_prompts.fields import FIELDS, MAX_BYTES
from aiops.system_prompts.models import PromptVersion, SystemPrompt
from aiops.web.api.parsing import NameField, Strict, TagsField, TextField


class PromptChange(Strict):
    """The fields of a prompt that can be changed."""

    name = NameField(required=False, max_length=60)
    prompt_text = TextField(
        required=False, max_bytes=MAX_BYTES, help_text=f"may have {', '.join(f'{{{one}}}' for one in FIELDS)}"
    )
    status = serializers.ChoiceField(SystemPrompt.Status.choices, required=False)
    tags = TagsField(required=False)


class PromptIn(PromptChange):
    """A prompt that is added."""

    name = NameField(max_length=60)
    prompt_text = TextField(max_bytes=MAX_BYTES)


class SystemPromptOut(serializers.ModelSerializer[SystemPrompt]):
    """A prompt that models are given."""

    tags = TagsField()

    class Meta:
        model = SystemPrompt
        fields = ["id", "name", "prompt_text", "status", "version", "tags", "created_at", "updated_at"]


class PromptVersionOut(serializers.ModelSerializer[PromptVersion]):
    """A text that a prompt has or had."""

    author = serializers.SerializerMethodField(help_text="empty when that person is gone")

    class Meta:
        model = PromptVersion
        fields = ["number", "prompt_text", "author", "created_at"]

    def get_author(self, version: Any) -> str:
        return version.author.username if version.author is not None else ""
