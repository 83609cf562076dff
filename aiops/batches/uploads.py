"""Reads the request that creates a batch: a JSON body with items, or a form with a file and options."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings
from django.core.files.base import ContentFile, File
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, QueryDict
from rest_framework.request import Request

from aiops import untrusted
from aiops.batches.models import Batch
from aiops.batches.reading.lines import as_jsonl
from aiops.batches.shapes import BatchIn, BatchOptions
from aiops.errors import Invalid, TooLarge
from aiops.web.api import forms
from aiops.web.api.parsing import Strict, read_json

SETTINGS = django_settings.SETTINGS
NAME_CHARACTERS = 200
NOT_A_FILE = "Send it as a file, with a name that ends in .jsonl, .json or .csv."


def read(request: Request) -> tuple[File[Any], dict[str, Any]]:
    """Return (the items as a file, the validated options); raises Invalid, ValidationError or TooLarge.

    A batch without a name is called as its file.
    """
    if isinstance(request.data, QueryDict):
        file, options = read_form(request, BatchOptions)
        return file, {**options, "name": options.get("name") or untrusted.clean(str(file.name))[:NAME_CHARACTERS]}
    if "items" not in request.data:
        raise Invalid("There are no items.", errors={"items": ["Send items as JSON, or a form with a file."]})
    options = BatchIn.read(request.data)
    return ContentFile(as_jsonl(options.pop("items")), "items.jsonl"), options


def format_of(file: File[Any]) -> str:
    """Return the format of a file by its name; raises Invalid or TooLarge."""
    ending = str(file.name).rpartition(".")[2].lower()
    formats = {**{one.value: one for one in Batch.Format}, "ndjson": Batch.Format.JSONL}
    if ending not in formats:
        raise Invalid("The format of the file is unknown.", errors={"file": ["End its name in .jsonl, .json or .csv."]})
    if not file.size:
        raise Invalid("The file is empty.", errors={"file": ["It has no lines."]})
    if file.size > SETTINGS.max_batch_bytes:
        raise TooLarge(f"The file is larger than {SETTINGS.max_batch_bytes} bytes: send several batches.")
    return formats[ending]


def read_form(request: Request | HttpRequest, shape: type[Strict]) -> tuple[File[Any], dict[str, Any]]:
    """Return (the file, the options that ``shape`` validated) of a form.

    Raises Invalid for parts that are unknown, missing or repeated, ValidationError and TooLarge.
    """
    file, others = forms.read(request, others=("options",), not_a_file=NOT_A_FILE)
    return file, shape.read(read_json(_text(others.get("options", "{}")), what="options"))


def _text(options: str | UploadedFile[Any]) -> str:
    """Return the options of a text field or of a file (curl's ``-F options=@options.json``)."""
    if isinstance(options, str):
        return options or "{}"
    if (options.size or 0) > SETTINGS.max_body_bytes:
        raise TooLarge(f"The options are larger than {SETTINGS.max_body_bytes} bytes.")
    try:
        return str(options.read().decode())
    except UnicodeDecodeError as error:
        raise Invalid(f"The options are not JSON: {error}", code="invalid_json") from error
