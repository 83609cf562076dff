"""The page of webhooks: the latest deliveries and the signing key."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.web.pages.listing import page_of
from aiops.web.pages.live import render_live
from aiops.webhooks.models import Delivery


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show the user's latest deliveries."""
    mine = Delivery.objects.filter(user=cast(User, request.user)).defer("payload")
    context = {"here": "webhooks", "page": page_of(mine, request)}
    return render_live(request, "webhooks/webhooks.html", "webhooks/deliveries.html", context)


urlpatterns = [
    path("webhooks/", list_, name="webhooks"),
]
