"""The API of people's own credentials for tool servers: one sees that they are there, and nobody what they are."""

from __future__ import annotations

from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Invalid, NotFound
from aiops.people.models import User
from aiops.tool_servers.credentials import saving
from aiops.tool_servers.models import ToolCredential
from aiops.web.api import creating
from aiops.web.api.paging import ById
from aiops.web.api.parsing import NameField, Strict
from aiops.web.api.rows import NOT_POSSIBLE

TAG = "tool-credentials"


class ToolCredentialChange(Strict):
    """Another value of a credential."""

    secret = NameField(
        max_length=saving.MAX_CHARACTERS,
        write_only=True,
        help_text="a token, sent as a bearer token; or, with a scheme before it, such as Basic, as it is",
    )


class ToolCredentialIn(ToolCredentialChange):
    """A credential that is stored for the server of a name."""

    server = NameField(max_length=31)


class ToolCredentialOut(serializers.ModelSerializer[ToolCredential]):
    """That there is a credential, for which server; nobody sees what it is."""

    server = serializers.CharField(source="server.name")
    problem = serializers.SerializerMethodField(help_text="why it is not used; empty when it is")

    class Meta:
        model = ToolCredential
        fields = ["id", "server", "problem", "created_at", "updated_at"]

    def get_problem(self, credential: Any) -> str:
        return saving.problem(credential)


@extend_schema_view(list=extend_schema(tags=[TAG]), retrieve=extend_schema(tags=[TAG]))
class ToolCredentials(ListModelMixin, RetrieveModelMixin, GenericViewSet[ToolCredential]):
    """``/api/tool-credentials/``: one's own; those of others are not there, for administrators neither."""

    queryset = ToolCredential.objects.none()
    serializer_class = ToolCredentialOut
    pagination_class = ById
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[ToolCredential]:
        return saving.own(cast(User, self.request.user))

    @extend_schema(
        request=ToolCredentialIn,
        responses={201: ToolCredentialOut},
        examples=[OpenApiExample("a token", {"server": "gitlab", "secret": "glpat-example"}, request_only=True)],
        tags=[TAG],
    )
    def create(self, request: Request) -> Response:
        """Store a credential. No Idempotency-Key is taken: it keeps a digest of the body."""
        if creating.HEADER in request.headers:
            raise Invalid("A digest of the value would be kept: send no Idempotency-Key here.", code=NOT_POSSIBLE)
        fields = ToolCredentialIn.read(request.data)
        made = saving.add(cast(User, request.user), fields["server"], fields["secret"])
        return Response(self.get_serializer(made).data, status=201)

    @extend_schema(request=ToolCredentialChange, responses=ToolCredentialOut, tags=[TAG])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Replace the value, for the address that the server has now."""
        fields = ToolCredentialChange.read(request.data)
        with transaction.atomic():
            made = saving.put(self._locked(pk), fields["secret"])
        return Response(self.get_serializer(made).data)

    @extend_schema(responses={204: None}, tags=[TAG])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Remove a credential; its sessions end."""
        with transaction.atomic():
            saving.remove(self._locked(pk))
        return Response(status=204)

    def _locked(self, pk: Any) -> ToolCredential:
        found = self.get_queryset().select_for_update(of=("self",)).filter(pk=pk).first()
        if found is None:
            raise NotFound("There is no such credential, or it was removed meanwhile.")
        return found
