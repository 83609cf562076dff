"""The profile: one's own password, API tokens and sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.contrib.auth.forms import PasswordChangeForm
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from aiops.audit.actions import Action
from aiops.audit.recording import record
from aiops.people import sessions, tokens
from aiops.people.models import ApiToken, User
from aiops.people.pages.signing_in import limits, too_many
from aiops.web import throttle

LIFETIMES = (("30", "30 days"), ("90", "90 days"), ("365", "a year"), ("", "no end"))


class PasswordForm(PasswordChangeForm):
    """Django's form, with the names that the page uses."""

    error_messages = {**PasswordChangeForm.error_messages, "password_incorrect": "The current password is wrong."}


class TokenForm(forms.Form):
    """A new token."""

    name = forms.CharField(max_length=100)
    scope = forms.ChoiceField(choices=[("full", "Read and write"), ("read", "Read only")])
    expires_in_days = forms.ChoiceField(choices=LIFETIMES, required=False)


@require_GET
@login_required
def page(request: HttpRequest) -> HttpResponse:
    """Show the user's own account."""
    return _show(request)


@require_POST
@login_required
def change_password(request: HttpRequest) -> HttpResponse:
    """Change the password; other sessions end, because the old password may be known to somebody."""
    user = cast(User, request.user)
    counters = limits(request, name=user.username)
    if refused := too_many(request, counters):
        return refused
    form = PasswordForm(user, request.POST)
    if not form.is_valid():
        if "old_password" in form.errors:  # it may be somebody who guesses it
            for key in counters:
                throttle.count(key)
        return _show(request, password_form=form, status=400)
    with transaction.atomic():
        form.save()
        update_session_auth_hash(request, user)
        ended = sessions.end_others(user, than=str(request.session.session_key))
        record(Action.PASSWORD_CHANGED, actor=user.username, actor_id=user.pk, object=f"user:{user.username}")
    others = f" You were signed out of {ended} other session{'' if ended == 1 else 's'}." if ended else ""
    messages.success(request, f"Your password was changed.{others}")
    return redirect("profile")


@require_POST
@login_required
def create_token(request: HttpRequest) -> HttpResponse:
    """Create a token, and show its text this once."""
    form = TokenForm(request.POST)
    user = cast(User, request.user)
    if form.is_valid() and ApiToken.objects.filter(user=user, name=form.cleaned_data["name"]).exists():
        form.add_error("name", "You have a token of this name: choose another.")  # also when the page is reloaded
    if not form.is_valid():
        return _show(request, token_form=form, status=400)
    fields = form.cleaned_data
    days = fields["expires_in_days"]
    expires_at = timezone.now() + timedelta(days=int(days)) if days else None
    made = tokens.issue(user, name=fields["name"], scope=fields["scope"], expires_at=expires_at, actor=user)
    return _show(request, new_token=made)


@require_POST
@login_required
def revoke_token(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Revoke one of the user's tokens."""
    user = cast(User, request.user)
    chosen = ApiToken.objects.filter(user=user, pk=pk)
    token = chosen.first()
    if token is None or not tokens.revoke(chosen, actor=user):
        raise Http404
    messages.success(request, f"The token {token.name} was revoked.")
    return redirect("profile")


@require_POST
@login_required
def end_session(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Sign out of one of the user's other sessions."""
    if not sessions.end(cast(User, request.user), pk):
        raise Http404
    messages.success(request, "You were signed out there.")
    return redirect("profile")


def _show(
    request: HttpRequest,
    *,
    password_form: Any = None,
    token_form: TokenForm | None = None,
    new_token: tuple[ApiToken, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    user = cast(User, request.user)
    context = {
        "here": "profile",
        "password_form": password_form or PasswordForm(user),
        "token_form": token_form or TokenForm(),
        "new_token": new_token,
        "tokens": ApiToken.objects.filter(user=user).order_by("-pk"),
        "sessions": sessions.of(user),
        "session_key": request.session.session_key,
        "now": timezone.now(),
    }
    return render(request, "people/profile.html", context, status=status)
