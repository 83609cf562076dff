"""Signing in and out; failed tries are limited for each address."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from aiops.web import throttle
from aiops.web.address import counted_as

NAME_FACTOR = 10
"""A name may be tried this much more often than from one address: enough to stop guessing, too much to lock out."""


class SignIn(LoginView):
    """``/sign-in/``."""

    template_name = "web/sign_in.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Refuse an address that failed too often this minute."""
        if request.method == "POST" and any(throttle.counted(key) >= most for key, most in self._limits.items()):
            wait_s = throttle.seconds_left()
            context = {"status": 429, "title": "Too many tries", "detail": f"Wait {wait_s} seconds, then try again."}
            response = render(request, "web/failure.html", context, status=429)
            response["Retry-After"] = str(wait_s)
            return response
        return super().dispatch(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Count the failed try."""
        for key in self._limits:
            throttle.count(key)
        return super().form_invalid(form)

    @property
    def _limits(self) -> dict[str, int]:
        """What failed tries are counted by, and how many there may be: of an address, and far more of one name."""
        most = django_settings.SETTINGS.sign_ins_per_minute
        name = hashlib.sha256(self.request.POST.get("username", "").lower().encode()).hexdigest()
        address = counted_as(self.request.META.get("REMOTE_ADDR", ""))
        return {f"sign-in:{address}": most, f"sign-in-as:{name}": most * NAME_FACTOR}


class SignOut(LogoutView):
    """``/sign-out/``; POST only."""
