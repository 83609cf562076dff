"""People in the admin: users, and tokens (which are listed and revoked, never shown)."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from aiops.people.models import ApiToken, User

admin.site.register(User, UserAdmin)


@admin.register(ApiToken)
class ApiTokenAdmin(admin.ModelAdmin[ApiToken]):
    """Tokens can be seen and deleted here; people make their own through the API."""

    list_display = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    fields = ("name", "user", "scope", "created_at", "expires_at", "last_used_at")
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a token's text could not be shown here."""
        return False
