"""Pages to sign in and out; failed attempts are limited for each address and name."""

from __future__ import annotations

import hashlib
from typing import Any

from django.conf import settings as django_settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from aiops.errors import Forbidden, TooMany
from aiops.people import sessions
from aiops.web import throttle
from aiops.web.address import counted_as
from aiops.web.pages.failures import refuse

NAME_FACTOR = 10
"""A name's limit as a multiple of an address's: low enough to stop guessing, too high to lock its user out."""


class SignIn(LoginView):
    """``/sign-in/``."""

    template_name = "people/sign_in.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and any(throttle.counted(key) >= most for key, most in self._limits.items()):
            wait_s = throttle.seconds_left()
            response = refuse(request, TooMany(f"Too many sign-ins failed: wait {wait_s} seconds, then try again."))
            response["Retry-After"] = str(wait_s)
            return response
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        sessions.describe(self.request)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        for key in self._limits:
            throttle.count(key)
        return super().form_invalid(form)

    @property
    def _limits(self) -> dict[str, int]:
        """The counters of failed attempts and their limits: one for the address, a higher one for the name."""
        most = django_settings.SETTINGS.sign_ins_per_minute
        # hashed, because a name is any text of any length
        name = hashlib.sha256(self.request.POST.get("username", "").lower().encode()).hexdigest()
        address = counted_as(self.request.META.get("REMOTE_ADDR", ""))
        return {f"sign-in:{address}": most, f"sign-in-as:{name}": most * NAME_FACTOR}


class AdminSignIn(SignIn):
    """``/admin/login/``, where the administration redirects everybody who is not staff."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # a signed-in user who is not staff would be redirected here for ever
        if not request.user.is_authenticated or request.user.is_staff:
            return super().dispatch(request, *args, **kwargs)
        detail = "The administration is for staff. An administrator can make you one (Users, your name, Staff status)."
        return refuse(request, Forbidden(detail))


class SignOut(LogoutView):
    """``/sign-out/``; POST only."""
