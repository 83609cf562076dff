"""Reads the request that imports a configuration file: a form with the file and ``dry_run``."""

from __future__ import annotations

from rest_framework.request import Request

from aiops.errors import Invalid, TooLarge
from aiops.tool_servers.apps import MAX_FILE_BYTES
from aiops.web.api import forms

NOT_A_FILE = "Send the configuration as a file."
TRUTHS = {"true": True, "false": False}


def read(request: Request) -> tuple[bytes, bool]:
    """Return (the content of the file, whether this is a dry run); raises Invalid or TooLarge."""
    file, texts = forms.read(request, others=("dry_run",), not_a_file=NOT_A_FILE)
    written = texts.get("dry_run", "false")
    if not isinstance(written, str) or written not in TRUTHS:
        raise Invalid("Correct dry_run.", errors={"dry_run": ["Not true or false."]})
    if (file.size or 0) > MAX_FILE_BYTES:
        raise TooLarge(f"The file is larger than {MAX_FILE_BYTES} bytes: split it.")
    return bytes(file.read()), TRUTHS[written]
