from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from tickets.models import Ticket


@login_required
def list_(request: HttpRequest) -> HttpResponse:
    return render(request, "tickets/tickets.html", {"here": "tickets", "tickets": Ticket.objects.order_by("pk")})


urlpatterns = [path("tickets/", list_, name="tickets")]
