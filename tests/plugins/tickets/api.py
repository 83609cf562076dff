from __future__ import annotations

import django_filters
from rest_framework import serializers
from rest_framework.mixins import CreateModelMixin, ListModelMixin
from rest_framework.viewsets import GenericViewSet
from tickets.models import Ticket

from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById


class TicketOut(serializers.ModelSerializer[Ticket]):
    class Meta:
        model = Ticket
        fields = ["id", "title", "state"]


class TicketFilters(django_filters.FilterSet):
    state = django_filters.CharFilter()


class Tickets(CreateModelMixin, ListModelMixin, GenericViewSet[Ticket]):
    """``/api/tickets/``."""

    queryset = Ticket.objects.all()
    serializer_class = TicketOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_class = TicketFilters
