"""The REST view of attachments: upload one."""

from __future__ import annotations

from typing import Any

from django.core.files.base import File
from drf_spectacular.utils import extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from aiops.attachments import decoding, lifecycle
from aiops.attachments.limits import MAX_BYTES
from aiops.attachments.shapes import AttachmentOut, AttachmentUpload
from aiops.errors import Invalid, TooLarge
from aiops.people.models import User
from aiops.web.api import creating, forms

NOT_A_FILE = "Send it as a file, with a name."


class Attachments(APIView):
    """``POST /api/attachments/``."""

    parser_classes = [MultiPartParser]

    @extend_schema(
        request={"multipart/form-data": AttachmentUpload},
        responses={201: AttachmentOut},
        parameters=[creating.PARAMETER],
        tags=["chat"],
    )
    def post(self, request: Request) -> Response:
        """Store a text file, to send it with one message: name its id in `attachments` of `POST /api/chat/`.

        The agent gets it as data written by others. One that is sent with no message is removed after a day.
        """
        file, _ = forms.read(request, not_a_file=NOT_A_FILE)
        name, text = str(file.name), _text(file)

        def act(user: User) -> tuple[int, Any]:
            return 201, AttachmentOut(lifecycle.store(user, name=name, text=text)).data

        return creating.create(request, act, sent={"name": name, "file": forms.digest(file)})


def _text(file: File[Any]) -> str:
    """Return the text of a file; raises TooLarge or Invalid."""
    if file.size > MAX_BYTES:
        raise TooLarge(
            f"The file has {file.size} bytes; an attachment may have {MAX_BYTES}: send the part that matters."
        )
    if not file.size:
        raise Invalid("The file is empty.", errors={"file": ["It has no bytes."]})
    try:
        return decoding.decode(file.read())
    except decoding.NotText as error:
        raise Invalid("The file is not text.", errors={"file": [str(error)]}, code="not_text") from None
