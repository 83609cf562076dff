"""The JSON of saved prompts."""

from __future__ import annotations

from django.conf import settings as django_settings
from rest_framework import serializers

from aiops.saved_prompts.models import SavedPrompt
from aiops.web.api.parsing import NameField, Strict, TextField, TruthField


class SavedPromptChange(Strict):
    """The fields of a saved prompt that can be changed."""

    name = NameField(required=False, max_length=60)
    text = TextField(required=False, max_bytes=django_settings.SETTINGS.max_message_bytes)
    is_shared = TruthField(required=False, help_text="whether everybody who is signed in sees and picks it")


class SavedPromptIn(SavedPromptChange):
    """A prompt that is saved."""

    name = NameField(max_length=60)
    text = TextField(max_bytes=django_settings.SETTINGS.max_message_bytes)


class SavedPromptOut(serializers.ModelSerializer[SavedPrompt]):
    """A saved prompt, and whose it is."""

    user = serializers.CharField(source="user.username")

    class Meta:
        model = SavedPrompt
        fields = ["id", "name", "text", "is_shared", "user", "created_at", "updated_at"]
