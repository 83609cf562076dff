"""Files as people have them, and the form that sends one."""

from __future__ import annotations

import json
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

URL = "/api/batches/"


def openai(**body: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "why?"}]
    asked = {"model": "offline", "messages": messages, **body}
    return {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": asked}


def jsonl(*rows: Any, name: str = "requests.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "".join(json.dumps(row) + "\n" for row in rows).encode())


def table(text: str, *, encoding: str = "utf-8", name: str = "export.csv") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, text.encode(encoding))


def sent(client: Client, file: SimpleUploadedFile, url: str = URL, **options: Any) -> Any:
    return client.post(url, {"file": file, "options": json.dumps(options)})
