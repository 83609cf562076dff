"""Uploads and downloads of CSV files of rows, as a browser makes them, and the worker that does them."""

from __future__ import annotations

from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from aiops.transfers import jobs
from aiops.transfers.models import Transfer

START = "/admin/transfers/transfer/"


def sent(browser: Client, data: bytes, table: str = "llm-models", **more: str) -> Transfer:
    """Upload a file, and let a worker import it."""
    file = SimpleUploadedFile("rows.csv", data)
    answer = browser.post(f"{START}import/?table={table}", {"file": file, **more})
    assert answer.status_code == 302, answer.content
    jobs.run_transfers(django_settings.SETTINGS)
    return Transfer.objects.get(pk=answer.headers["Location"].split("/")[-3])


def exported(browser: Client, table: str = "llm-models") -> bytes:
    answer = browser.post(f"{START}export/", {"table": table})
    assert answer.status_code == 302
    jobs.run_transfers(django_settings.SETTINGS)
    page = browser.get(answer.headers["Location"])
    assert "exported" in page.content.decode()
    file = browser.get(answer.headers["Location"].replace("/change/", "/file/"))
    assert file.status_code == 200
    return bytes(file.content)
