"""The page of an attachment: its text."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import path
from django.views.decorators.http import require_GET

from aiops.attachments.models import Attachment
from aiops.people.models import User


@require_GET
@login_required
def text(request: HttpRequest, attachment_id: UUID) -> HttpResponse:
    """Show an attachment to its owner, as plain text."""
    row = get_object_or_404(Attachment, pk=attachment_id, user=cast(User, request.user))
    return HttpResponse(row.text, content_type="text/plain; charset=utf-8")


urlpatterns = [path("attachments/<uuid:attachment_id>/", text, name="attachment")]
