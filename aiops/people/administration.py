"""What administrators do with accounts: create, change, deactivate; nobody gives away more than they have."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from aiops.errors import Conflict, Forbidden, Invalid
from aiops.people import accounts, sessions
from aiops.people.models import ApiToken, User

VIEW, ADD, CHANGE = "people.view_user", "people.add_user", "people.change_user"
FLAGS = ("is_staff", "is_active")


def everybody() -> QuerySet[User]:
    """Return all accounts with their groups."""
    return User.objects.prefetch_related("groups")


def create(actor: User, fields: dict[str, Any]) -> User:
    """Create an account; raises Forbidden, Invalid or Conflict (the name is taken)."""
    _require(actor, ADD)
    fields = dict(fields)
    groups, password = _groups(actor, fields.pop("groups", ())), fields.pop("password", "")
    if fields.get("is_staff"):
        _require_staff(actor)
    made = User(**{**fields, "username": User.normalize_username(fields["username"])})
    _set_password(made, password)
    try:
        with transaction.atomic():
            made.save(force_insert=True)
            made.groups.set(groups)
    except IntegrityError:
        raise Conflict(f"There is already a user named {made.username}.", code="name_taken") from None
    return made


def change(actor: User, user: User, fields: dict[str, Any]) -> None:
    """Change an account; a deactivated one is signed out everywhere at once. Raises Forbidden or Invalid."""
    _require(actor, CHANGE)
    if user.is_superuser and not actor.is_superuser:
        raise Forbidden("Only a superuser may change a superuser.")
    names = fields.get("groups")
    changed = {name: value for name, value in fields.items() if name != "groups" and getattr(user, name) != value}
    if actor.pk == user.pk and any(name in changed for name in FLAGS):
        raise Forbidden("You cannot deactivate yourself or change your own staff status: ask another administrator.")
    if "is_staff" in changed:
        _require_staff(actor)
    with transaction.atomic():
        if changed:
            User.objects.filter(pk=user.pk).update(**changed)
        if changed.get("is_active") is False:  # an account that is activated again begins without them
            sessions.end_others(user, than="")
            ApiToken.objects.filter(user=user.pk).delete()
            transaction.on_commit(partial(accounts.announce, user.pk))
        if names is not None:
            mine = {group.name for group in grantable(actor)}
            kept = [group for group in user.groups.all() if group.name not in mine]  # not this actor's to take away
            user.groups.set([*kept, *_groups(actor, set(names) - {group.name for group in kept})])


def grantable(actor: User) -> list[Group]:
    """Return the groups that this user may put others into: those whose permissions the user has, too."""
    own = actor.get_all_permissions()
    every = Group.objects.prefetch_related("permissions__content_type").order_by("name")
    return [group for group in every if actor.is_superuser or _permissions(group) <= own]


def _permissions(group: Group) -> set[str]:
    return {f"{one.content_type.app_label}.{one.codename}" for one in group.permissions.all()}


def _groups(actor: User, names: Iterable[str]) -> list[Group]:
    allowed = {group.name: group for group in grantable(actor)}
    unknown = sorted(set(names) - set(Group.objects.values_list("name", flat=True)))
    if unknown:
        raise Invalid("There is no such group.", errors={"groups": [f"Unknown: {', '.join(unknown)}."]})
    beyond = sorted(set(names) - set(allowed))
    if beyond:
        raise Forbidden(f"These groups have permissions that you do not have: {', '.join(beyond)}.")
    return [allowed[name] for name in set(names)]


def _require(actor: User, permission: str) -> None:
    if not actor.has_perm(permission):
        raise Forbidden(f"This needs the permission {permission}: ask an administrator.")


def _require_staff(actor: User) -> None:
    if not actor.is_staff:
        raise Forbidden("Only staff may change who is staff.")


def _set_password(user: User, password: str) -> None:
    if not password:
        user.set_unusable_password()
        return
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise Invalid("The password cannot be used.", errors={"password": list(error.messages)}) from error
    user.set_password(password)
