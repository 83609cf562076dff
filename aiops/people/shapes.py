"""Request and response serializers of API tokens."""

from rest_framework import serializers

from aiops.people.models import ApiToken, BrowserSession
from aiops.web.api.parsing import NameField, Strict, WholeNumberField


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
