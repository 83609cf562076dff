"""The pages of all accounts, for administrators: a list with a form for another, and one account."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST
from rest_framework.exceptions import ValidationError

from aiops.errors import AiopsError
from aiops.people import administration
from aiops.people.models import User
from aiops.people.shapes import PersonChange, PersonIn
from aiops.web.api import problems
from aiops.web.pages.listing import page_of
from aiops.web.pages.rights import needs

TEXTS = ("first_name", "last_name", "email")


@require_GET
@login_required
@needs(administration.VIEW)
def list_(request: HttpRequest) -> HttpResponse:
    """Show every account."""
    return _list(request)


@require_POST
@login_required
@needs(administration.VIEW)
@needs(administration.ADD)
def create(request: HttpRequest) -> HttpResponse:
    """Create an account from the form."""
    given = _fields(request.POST) | {name: request.POST.get(name, "") for name in ("username", "password")}
    if not given["password"]:
        del given["password"]
    try:
        made = administration.create(cast(User, request.user), PersonIn.read(given))
    except (AiopsError, ValidationError) as error:
        return _list(request, problem=problems.sentence(error), given=given, status=400)
    messages.success(request, f"The account {made.username} was created.")
    return redirect("person", made.pk)


@require_GET
@login_required
@needs(administration.VIEW)
def page(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Show one account."""
    return _page(request, person_id)


@require_POST
@login_required
@needs(administration.VIEW)
@needs(administration.CHANGE)
def change(request: HttpRequest, person_id: UUID) -> HttpResponse:
    """Change one account from the form: of oneself, the names and groups only."""
    person, actor = get_object_or_404(User, pk=person_id), cast(User, request.user)
    fields = _fields(request.POST)
    if person.pk != actor.pk:
        fields["is_active"] = "is_active" in request.POST
    else:
        del fields["is_staff"]
    try:
        administration.change(actor, person, PersonChange.read(fields))
    except (AiopsError, ValidationError) as error:
        return _page(request, person_id, problem=problems.sentence(error), status=400)
    messages.success(request, f"{person.username} was changed.")
    return redirect("person", person.pk)


def _fields(form: QueryDict) -> dict[str, Any]:
    """Return the fields of a form as the API takes them; a box that is not checked is not sent."""
    texts = {name: form.get(name, "") for name in TEXTS}
    return {**texts, "is_staff": "is_staff" in form, "groups": form.getlist("groups")}


def _list(request: HttpRequest, *, problem: str = "", given: Any = None, status: int = 200) -> HttpResponse:
    actor = cast(User, request.user)
    context = {
        "here": "people",
        "page": page_of(administration.everybody(), request),
        "groups": administration.grantable(actor),
        "may_add": actor.has_perm(administration.ADD),
        "problem": problem,
        "given": given or {},
    }
    return render(request, "people/people.html", context, status=status)


def _page(request: HttpRequest, person_id: UUID, *, problem: str = "", status: int = 200) -> HttpResponse:
    actor, person = cast(User, request.user), get_object_or_404(administration.everybody(), pk=person_id)
    context = {
        "here": "people",
        "person": person,
        "in_groups": {group.name for group in person.groups.all()},
        "groups": administration.grantable(actor),
        "may_change": actor.has_perm(administration.CHANGE) and (actor.is_superuser or not person.is_superuser),
        "is_self": person.pk == actor.pk,
        "problem": problem,
    }
    return render(request, "people/person.html", context, status=status)
