"""Request and response serializers of API tokens, sessions and accounts."""

from typing import Any

from django.contrib.auth.validators import UnicodeUsernameValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from aiops.people.models import ApiToken, BrowserSession, User
from aiops.web.api.parsing import NameField, Strict, TruthField, WholeNumberField


class TokenIn(Strict):
    """A new token."""

    name = NameField(max_length=100)
    scope = serializers.ChoiceField(ApiToken.Scope.choices, required=False, default=ApiToken.Scope.FULL)
    expires_in_days = WholeNumberField(required=False, min_value=1, max_value=3_650)


class TokenOut(serializers.ModelSerializer[ApiToken]):
    """A token without its text."""

    class Meta:
        model = ApiToken
        fields = ["id", "name", "scope", "created_at", "expires_at", "last_used_at"]


class NewTokenOut(TokenOut):
    """A token with its text, which is shown only once."""

    token = serializers.CharField()

    class Meta(TokenOut.Meta):
        fields = [*TokenOut.Meta.fields, "token"]


class SessionOut(serializers.ModelSerializer[BrowserSession]):
    """A browser that is signed in."""

    is_current = serializers.SerializerMethodField(help_text="whether this request came with it")

    class Meta:
        model = BrowserSession
        fields = ["id", "agent", "address", "created_at", "is_current"]

    def get_is_current(self, session: BrowserSession) -> bool:
        """Compare it with the request's."""
        return bool(session.session_key == self.context["request"].session.session_key)


MAX_GROUPS = 100


class PersonChange(Strict):
    """What can be changed of an account."""

    first_name = NameField(max_length=150, required=False, allow_blank=True)
    last_name = NameField(max_length=150, required=False, allow_blank=True)
    email = serializers.EmailField(required=False, allow_blank=True, max_length=254)
    is_staff = TruthField(required=False)
    is_active = TruthField(required=False)
    groups = serializers.ListField(child=NameField(max_length=150), required=False, max_length=MAX_GROUPS)


class PersonIn(PersonChange):
    """A new account; without a password nobody can sign in with it."""

    username = NameField(max_length=150, validators=[UnicodeUsernameValidator()])
    password = serializers.CharField(required=False, max_length=200, trim_whitespace=False)


class PersonOut(serializers.ModelSerializer[User]):
    """An account."""

    groups = serializers.SerializerMethodField()

    class Meta:
        model = User
        fields = [
            "id", "username", "first_name", "last_name", "email", "is_active", "is_staff", "is_superuser", "groups",
            "last_login", "date_joined",
        ]  # fmt: skip

    @extend_schema_field({"type": "array", "items": {"type": "string"}})
    def get_groups(self, user: User) -> list[Any]:
        """Return the names of its groups."""
        return sorted(group.name for group in user.groups.all())
