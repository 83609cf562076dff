"""Strict reading of forms with a file: each part is known and sent once, or refused by its name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from django.core.files.base import File
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest
from rest_framework.request import Request

from aiops import untrusted
from aiops.errors import Invalid

FILE = "file"
"""Name of the part with the file."""


def read(
    request: Request | HttpRequest, *, others: Sequence[str] = (), not_a_file: str
) -> tuple[UploadedFile[Any], dict[str, str | UploadedFile[Any]]]:
    """Return (the file, the ``others`` that were sent); raises Invalid for unknown, missing or repeated parts.

    ``not_a_file`` is the reason when the file's part is missing, or a text.
    """
    known = (FILE, *others)
    texts, files = dict(request.POST.lists()), dict(request.FILES.lists())
    parts = {name: [*texts.get(name, []), *files.get(name, [])] for name in {**texts, **files}}
    errors = {untrusted.clean(name)[:100]: "There is no such field." for name in parts if name not in known}
    errors |= {name: "Send it once." for name in known if len(parts.get(name, [])) > 1}
    if FILE not in errors and FILE not in files:
        errors[FILE] = not_a_file
    if errors:
        named = {name: [reason] for name, reason in sorted(errors.items())}
        raise Invalid(f"Correct {', '.join(named)}.", errors=named)
    return files[FILE][0], {name: parts[name][0] for name in others if name in parts}


def digest(file: File[Any]) -> str:
    """Return a digest that is equal for files with equal content."""
    content = hashlib.sha256()
    for piece in file.chunks():
        content.update(piece)
    return content.hexdigest()
