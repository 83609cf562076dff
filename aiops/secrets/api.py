"""The API of secrets: list, create, change, delete and check them; by permission."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from django.db import transaction
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops.errors import Invalid
from aiops.people.models import User
from aiops.secrets import saving
from aiops.secrets.models import Secret
from aiops.secrets.shapes import CheckOut, SecretChange, SecretIn, SecretOut
from aiops.trials.asking import ask
from aiops.web.api import creating
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ByName
from aiops.web.api.parsing import no_fields
from aiops.web.api.rows import MayManage

NOT_POSSIBLE = "idempotency_not_possible"


class SecretFilters(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=Secret.Kind.choices)
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


@extend_schema_view(
    list=extend_schema(parameters=[OpenApiParameter("search", str)], tags=["secrets"]),
    retrieve=extend_schema(tags=["secrets"]),
)
class Secrets(ListModelMixin, RetrieveModelMixin, GenericViewSet[Secret]):
    """``/api/secrets/``, by name. Values of kind ``stored`` can be written, and never read."""

    queryset = Secret.objects.all()
    permission_classes = [MayManage]
    rights = {"check": "view"}
    serializer_class = SecretOut
    pagination_class = ByName
    filter_backends = [StrictFilters]
    filterset_class = SecretFilters
    lookup_value_converter = "uuid"

    @extend_schema(
        request=SecretIn,
        responses={201: SecretOut},
        examples=[
            OpenApiExample(
                "a variable of the workers",
                {"name": "netbox", "kind": "env", "reference": "AIOPS_SECRET_NETBOX"},
                request_only=True,
            )
        ],
        tags=["secrets"],
    )
    def create(self, request: Request) -> Response:
        """Create a secret. An Idempotency-Key is refused: it would keep a digest of the value."""
        if creating.HEADER in request.headers:
            raise Invalid("A digest of the value would be kept: send no Idempotency-Key here.", code=NOT_POSSIBLE)
        fields = SecretIn.read(request.data)
        return Response(SecretOut(saving.put(Secret(), fields)).data, status=201)

    @extend_schema(request=SecretChange, responses=SecretOut, tags=["secrets"])
    def partial_update(self, request: Request, pk: Any) -> Response:
        """Change a secret; workers use the new value within a second."""
        return self._change(SecretChange.read(request.data))

    @extend_schema(request=SecretIn, responses=SecretOut, tags=["secrets"])
    def update(self, request: Request, pk: Any) -> Response:
        """Replace a secret; a stored value that is left out stays."""
        return self._change({"reference": "", **SecretIn.read(request.data)})

    def _change(self, fields: dict[str, Any]) -> Response:
        with transaction.atomic():
            secret = saving.put(saving.lock(self.get_object().pk), fields)
        return Response(SecretOut(secret).data)

    @extend_schema(responses={204: None}, tags=["secrets"])
    def destroy(self, request: Request, pk: Any) -> Response:
        """Delete a secret; 409, naming who uses it, while it is in use."""
        with transaction.atomic():
            saving.remove(saving.lock(self.get_object().pk))
        return Response(status=204)

    @extend_schema(request=None, responses=CheckOut, tags=["secrets"])
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: Any) -> Response:
        """Let a worker read it now, and say whether it could."""
        no_fields(request.data)
        return Response(ask(cast(User, request.user), "secret", {"secret": str(self.get_object().pk)}))
