"""People in the admin: users, and tokens (which are listed and revoked, never shown)."""

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from aiops.people.models import ApiToken, User

admin.site.unregister(Group)


@admin.register(User)
class People(UserAdmin[User], ModelAdmin):  # type: ignore[misc]
    """Users and their permissions."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class Groups(GroupAdmin, ModelAdmin):  # type: ignore[misc]
    """Groups of permissions."""


@admin.register(ApiToken)
class ApiTokenAdmin(ModelAdmin):  # type: ignore[misc]
    """Tokens can be seen and deleted here; people make their own through the API."""

    list_display = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    fields = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a token's text could not be shown here."""
        return False
