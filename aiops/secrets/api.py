"""The API of secrets: list, create, change, delete and check them; by permission."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from aiops.people.models import User
from aiops.secrets import saving
from aiops.secrets.models import Secret
from aiops.secrets.shapes import CheckOut, SecretChange, SecretIn, SecretOut
from aiops.trials.asking import ask
from aiops.web.api.parsing import no_fields
from aiops.web.api.row_shapes import described
from aiops.web.api.rows import Rows, TagFilter

TAG = "secrets"


class SecretFilters(django_filters.FilterSet):
    kind = django_filters.ChoiceFilter(choices=Secret.Kind.choices)
    tag = TagFilter()
    search = django_filters.CharFilter(field_name="name", lookup_expr="icontains", max_length=200)


@described(
    TAG,
    new=SecretIn,
    change=SecretChange,
    row=SecretOut,
    example=("a variable of the workers", {"name": "netbox", "kind": "env", "reference": "AIOPS_SECRET_NETBOX"}),
)
class Secrets(Rows):
    """``/api/secrets/``, by name. Values of kind ``stored`` can be written, and never read."""

    table = Secret
    queryset = Secret.objects.all()
    rights = {**Rows.rights, "check": "view"}
    serializer_class = SecretOut
    filterset_class = SecretFilters
    shape, change = SecretIn, SecretChange
    defaults = {"reference": "", "tags": []}  # a stored value that is left out stays
    keyed = False

    def save_row(self, row: Secret, fields: dict[str, Any], user: User) -> Secret:
        return saving.put(row, fields)

    def remove_row(self, row: Secret, user: User) -> None:
        saving.remove(row)

    @extend_schema(request=None, responses=CheckOut, tags=[TAG])
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: Any) -> Response:
        """Let a worker read it now, and say whether it could."""
        no_fields(request.data)
        return Response(ask(cast(User, request.user), "secret", {"secret": str(self.get_object().pk)}))
