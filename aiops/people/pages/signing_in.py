"""Pages to sign in and out; failed attempts are limited for each address and name."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from django.conf import settings as django_settings
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from aiops.errors import Forbidden, TooMany
from aiops.people import attempts, sessions
from aiops.people.models import User
from aiops.web import throttle
from aiops.web.address import counted_as
from aiops.web.pages.failures import refuse

NAME_FACTOR = 10
"""A name's limit as a multiple of an address's: low enough to stop guessing, too high to lock its user out."""


RECORDED_PER_MINUTE = 20
"""Failed attempts of all addresses that the audit log records; the next row says that there were more."""


def too_many(request: HttpRequest, counters: dict[str, int]) -> HttpResponse | None:
    """Return a refusal when too many attempts failed in this minute."""
    if all(throttle.counted(key) < most for key, most in counters.items()):
        return None
    wait_s = throttle.seconds_left()
    response = refuse(request, TooMany(f"Too many attempts failed: wait {wait_s} seconds, then try again."))
    response["Retry-After"] = str(wait_s)
    return response


class SignIn(LoginView):
    """``/sign-in/``."""

    template_name = "people/sign_in.html"
    redirect_authenticated_user = True

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and (refused := too_many(request, self._limits)):
            return refused
        return super().dispatch(request, *args, **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        with transaction.atomic():
            response = super().form_valid(form)
            sessions.describe(self.request)
            attempts.record_success(cast(User, self.request.user), address=self.request.META.get("REMOTE_ADDR", ""))
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        for key in self._limits:
            throttle.count(key)
        name, address = self.request.POST.get("username", ""), self.request.META.get("REMOTE_ADDR", "")
        if not (name and self.request.POST.get("password")):
            return super().form_invalid(form)  # nobody tried
        if throttle.take("audit:failed-sign-ins", RECORDED_PER_MINUTE):
            attempts.record_failure(name, address=address)
        elif throttle.take("audit:more-failed-sign-ins", 1):
            attempts.record_failure(name, address=address, is_last=True)
        return super().form_invalid(form)

    @property
    def _limits(self) -> dict[str, int]:
        return limits(self.request, name=self.request.POST.get("username", ""))


def limits(request: HttpRequest, *, name: str) -> dict[str, int]:
    """Return the counters of failed attempts and their limits: one for the address, a higher one for the name."""
    most = django_settings.SETTINGS.sign_ins_per_minute
    digest = hashlib.sha256(name.lower().encode()).hexdigest()  # because a name is any text of any length
    address = counted_as(request.META.get("REMOTE_ADDR", ""))
    return {f"sign-in:{address}": most, f"sign-in-as:{digest}": most * NAME_FACTOR}


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

    def post(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        user = request.user
        with transaction.atomic():
            response = super().post(request, *args, **options)
            if isinstance(user, User):
                attempts.record_sign_out(user)
        return response
