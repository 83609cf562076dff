"""The page of webhooks: the latest deliveries and the signing key."""

from __future__ import annotations

from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.people.models import User
from aiops.webhooks.models import Delivery

SHOWN = 100


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show the user's latest deliveries."""
    mine = Delivery.objects.filter(user=cast(User, request.user)).order_by("-pk")[:SHOWN]
    return render(request, "webhooks/webhooks.html", {"here": "webhooks", "deliveries": mine})


urlpatterns = [
    path("webhooks/", list_, name="webhooks"),
]
