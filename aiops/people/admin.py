"""The administration of users, groups and tokens (tokens are listed and revoked, never shown)."""

from functools import partial
from typing import Any, ClassVar, cast

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from aiops.audit.actions import Action
from aiops.audit.recording import record
from aiops.people import accounts, departures, tokens
from aiops.people.models import ApiToken, User

admin.site.unregister(Group)


class Recorded(ModelAdmin):  # type: ignore[misc]
    """Records what the administration does to rows; of which fields, as it says itself."""

    kind: ClassVar[str]
    created: ClassVar[Action]
    changed: ClassVar[Action]

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        made = super().log_addition(request, obj, message)
        self._record(self.created, request, obj, {})
        return made

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        made = super().log_change(request, obj, message)
        if message:
            self._record(self.changed, request, obj, {"changed": message})
        return made

    def _record(self, action: Action, request: HttpRequest, obj: Any, details: dict[str, Any]) -> None:
        actor, about = cast(User, request.user), {"id": str(obj.pk), **details}
        record(action, actor=actor.username, actor_id=actor.pk, object=f"{self.kind}:{obj}", details=about)


@admin.register(User)
class People(UserAdmin[User], Recorded):
    """Users and their permissions."""

    kind, created, changed = "user", Action.ACCOUNT_CREATED, Action.ACCOUNT_CHANGED
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if change and "is_active" in form.changed_data and not obj.is_active:
            departures.close(obj, actor=cast(User, request.user))
        super().save_model(request, obj, form, change)
        transaction.on_commit(partial(accounts.announce, obj.pk))

    def delete_model(self, request: HttpRequest, obj: User) -> None:
        accounts.delete(obj, actor=cast(User, request.user))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        for user in queryset.order_by("pk"):
            accounts.delete(user, actor=cast(User, request.user))


@admin.register(Group)
class Groups(GroupAdmin, Recorded):
    """Groups of permissions."""

    kind, created, changed = "group", Action.GROUP_CREATED, Action.GROUP_CHANGED

    def delete_model(self, request: HttpRequest, obj: Group) -> None:
        self.delete_queryset(request, Group.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Group]) -> None:
        gone = list(queryset.order_by("pk"))
        with transaction.atomic():
            queryset.delete()
            for group in gone:
                self._record(Action.GROUP_DELETED, request, group, {})


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):  # type: ignore[misc]
    """Lists and deletes tokens; users create their own through the API."""

    list_display = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    fields = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # the token's text could not be shown here

    def delete_model(self, request: HttpRequest, obj: ApiToken) -> None:
        self.delete_queryset(request, ApiToken.objects.filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        tokens.revoke(queryset, actor=cast(User, request.user))
