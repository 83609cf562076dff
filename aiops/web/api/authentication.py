"""Authentication of API calls: bearer token or session (with CSRF); read-only tokens may only read."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from aiops.people.models import ApiToken, User
from aiops.web import forgery, identity


class Token(BaseAuthentication):
    """``Authorization: Bearer aiops_…``."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        header = request.headers.get("Authorization", "")
        if not header:
            return None
        token = identity.from_header(header, address=request.META.get("REMOTE_ADDR", ""))
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"  # without it, DRF answers 403 instead of 401


class Session(SessionAuthentication):
    """The browser's session; unsafe methods need its CSRF token."""

    def enforce_csrf(self, request: Request) -> None:
        try:
            super().enforce_csrf(request)
        except PermissionDenied as error:
            raise forgery.refusal(request._request, str(error.detail)) from error


class MayWrite(BasePermission):
    """Allows signed-in callers; with a read-only token, only safe methods."""

    message = "This token is read-only: use a full one."

    def has_permission(self, request: Request, view: Any) -> bool:
        if not request.user.is_authenticated:
            return False
        reads = request.method in SAFE_METHODS
        return reads or not isinstance(request.auth, ApiToken) or request.auth.scope == ApiToken.Scope.FULL


class StaffOnly(MayWrite):
    """Allows staff only."""

    message = "Only staff may do this."

    def has_permission(self, request: Request, view: Any) -> bool:
        return super().has_permission(request, view) and request.user.is_staff


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = Token
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "An API token: aiops_…"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = Session
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "aiops_session"}
