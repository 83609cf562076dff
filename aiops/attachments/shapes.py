"""Request and response serializers of attachments."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from aiops.attachments.limits import MAX_BYTES
from aiops.attachments.models import Attachment


class AttachmentUpload(serializers.Serializer[Any]):
    """An attachment as a form of one file."""

    file = serializers.FileField(
        help_text=f"text in UTF-8, or in UTF-16 with a byte order mark, of at most {MAX_BYTES} bytes"
    )


class AttachmentOut(serializers.ModelSerializer[Attachment]):
    """A stored attachment; ``bytes`` is the size of its text in UTF-8."""

    class Meta:
        model = Attachment
        fields = ["id", "name", "bytes"]
