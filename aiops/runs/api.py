"""Send a message; list, show, follow and cancel runs."""

from __future__ import annotations

from typing import Any, cast

import django_filters
from django.conf import settings as django_settings
from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from aiops import background, dispatch
from aiops.errors import Conflict, NotFound
from aiops.llm import choice
from aiops.people.models import ApiToken, User
from aiops.runs import cancelling, listing, send, sources, states
from aiops.runs.accept import NewMessage, accept
from aiops.runs.models import Run
from aiops.runs.notices import TOOL_FAILED
from aiops.runs.options import RunOptions
from aiops.runs.shapes import CancelIn, CancelledOut, ChatIn, ChatOut, RunOut, RunRow, StateOut
from aiops.runs.sources import Source
from aiops.web.api import creating
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById
from aiops.web.api.parsing import no_fields


class RunFilters(django_filters.FilterSet):
    """By state and conversation; by user, source, model and search among the newest runs."""

    state = django_filters.ChoiceFilter(choices=states.CHOICES)
    conversation = django_filters.UUIDFilter(field_name="conversation_id")
    user = django_filters.CharFilter(field_name="user__username", max_length=150)
    source = django_filters.ChoiceFilter(choices=sources.CHOICES)
    model = django_filters.CharFilter(method="of_model", max_length=300)
    search = django_filters.CharFilter(method="containing", max_length=200)
    notice = django_filters.ChoiceFilter(choices=[(TOOL_FAILED, "A tool failed")], method="with_notice")

    def filter_queryset(self, queryset: QuerySet[Run]) -> QuerySet[Run]:
        """Bound what the filters read, unless they have an index."""
        given = {name for name, value in self.form.cleaned_data.items() if value}
        bounded = not given or "conversation" in given or (given == {"state"} and self.is_for_one_user)
        found: QuerySet[Run] = super().filter_queryset(queryset if bounded else listing.newest(queryset))
        return found

    @property
    def is_for_one_user(self) -> bool:
        """Whether the list has only the caller's runs."""
        return self.request is None or not self.request.user.has_perm(listing.VIEW_ALL)

    def of_model(self, queryset: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        return listing.of_model(queryset, value)

    def with_notice(self, queryset: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        return listing.with_notice(queryset, value)

    def containing(self, queryset: QuerySet[Run], name: str, value: str) -> QuerySet[Run]:
        return listing.containing(queryset, value)


NAMED = [
    OpenApiParameter("user", {"type": "string", "minLength": 1, "maxLength": 150}, description="Of this user."),
    OpenApiParameter(
        "model",
        {"type": "string", "minLength": 1, "maxLength": 300},
        description="Answered by this model (provider:name), or asked of it (name).",
    ),
]
WAIT = OpenApiParameter(
    "wait",
    {"type": "integer", "minimum": 1, "maximum": 30},
    description="Wait up to this many seconds for the end.",
)


@extend_schema_view(
    list=extend_schema(responses=RunRow(many=True), parameters=[*NAMED], tags=["runs"]),
    retrieve=extend_schema(tags=["runs"], parameters=[WAIT]),
)
class Runs(ListModelMixin, RetrieveModelMixin, GenericViewSet[Run]):
    """``/api/runs/``; ``?wait=`` is served by the long-poll door before it comes here."""

    queryset = Run.objects.none()
    serializer_class = RunOut
    pagination_class = ById
    filter_backends = [StrictFilters]
    filterset_class = RunFilters
    lookup_value_converter = "uuid"

    def get_queryset(self) -> QuerySet[Run]:
        """Return the runs that the caller may see; to cancel, only the caller's own."""
        if self.action not in ("list", "retrieve"):
            return Run.objects.filter(user=self.request.user.pk)
        visible = listing.visible_to(cast(User, self.request.user))
        return listing.with_facts(visible) if self.action == "list" else visible

    def get_serializer_class(self) -> type[RunOut]:
        return RunRow if self.action == "list" else RunOut

    def get_serializer_context(self) -> dict[str, Any]:
        """Read no events for lists: that would be a Redis call per run."""
        return {**super().get_serializer_context(), "brief": self.action == "list"}

    @extend_schema(operation_id="runs_cancel_one", request=None, responses={202: StateOut}, tags=["runs"])
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: Any) -> Response:
        """Stop a run; 409 when it has ended already."""
        no_fields(request.data)
        run = self.get_object()
        if run.state in states.ENDED:
            raise Conflict(f"This run has ended already: {run.state}.", code="run_ended")
        state = cancelling.cancel([run]).get(str(run.pk))
        if state is None:
            raise NotFound("There is no such run: its conversation was deleted.")
        return Response({"id": str(run.pk), "state": state}, status=202)

    @extend_schema(request=CancelIn, responses={202: CancelledOut}, tags=["runs"])
    @action(detail=False, methods=["post"], url_path="cancel", url_name="cancel-many")
    def cancel_many(self, request: Request) -> Response:
        """Stop several runs; ended ones are returned unchanged."""
        fields = CancelIn.read(request.data)
        chosen = {"pk__in": fields["ids"]} if "ids" in fields else {"queue": dispatch.RUNS_QUEUE, **fields}
        states = cancelling.cancel(list(self.get_queryset().filter(**chosen)[:1_000]))
        return Response({"runs": [{"id": pk, "state": state} for pk, state in states.items()]}, status=202)


class Chat(APIView):
    """``POST /api/chat/``."""

    @extend_schema(
        request=ChatIn,
        responses={202: ChatOut},
        parameters=[creating.PARAMETER],
        examples=[OpenApiExample("a question", {"message": "what uses the most memory?"}, request_only=True)],
        tags=["chat"],
    )
    def post(self, request: Request) -> Response:
        """Accept a message; a worker answers it, and ``events`` of the run streams the answer."""
        fields = ChatIn.read(request.data)
        source = Source.API if isinstance(request.auth, ApiToken) else Source.CHAT
        return creating.create(request, lambda user: (202, submit(user, fields, source)))


def submit(user: User, fields: dict[str, Any], source: Source) -> dict[str, Any]:
    """Write the message and its run, and send the run after the commit; must run inside a transaction."""
    settings = django_settings.SETTINGS
    options = RunOptions.of(fields, default_deadline_s=settings.run_deadline_s)
    choice.choose(settings, options.stored())
    new = NewMessage(
        fields["message"],
        options,
        conversation_id=fields.get("conversation"),
        attachments=tuple(fields.get("attachments", ())),
        on_busy=fields.get("on_busy", "enqueue"),
        webhook=fields.get("webhook", ""),
        source=source,
    )
    accepted = accept(user, new, max_queued=settings.max_queued_runs)
    transaction.on_commit(lambda: background.run_later(send.send_accepted, accepted, ttl_s=settings.stream_ttl_s))
    run = accepted.run
    return {"conversation": str(run.conversation_id), "message": str(run.message_id), "run": reference(run)}


def reference(run: Run) -> dict[str, Any]:
    """Return a run with its links."""
    here = f"/api/runs/{run.pk}"
    return {
        "id": str(run.pk),
        "state": run.state,
        "links": {"self": f"{here}/", "events": f"{here}/events", "cancel": f"{here}/cancel/"},
    }
