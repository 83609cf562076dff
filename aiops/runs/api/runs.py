"""List, show, cancel and rate runs, and ask for another answer."""

from __future__ import annotations

from typing import Any, cast

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from aiops import dispatch
from aiops.errors import Conflict, NotFound
from aiops.people.models import User
from aiops.runs import cancelling, listing, states
from aiops.runs.api.chat import ask_instead, source_of
from aiops.runs.api.filters import RunFilters
from aiops.runs.models import Run
from aiops.runs.shapes import CancelIn, CancelledOut, ChatOut, FeedbackIn, FeedbackOut, RunOut, RunRow, StateOut
from aiops.web.api import creating
from aiops.web.api.filtering import StrictFilters
from aiops.web.api.paging import ById
from aiops.web.api.parsing import no_fields

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

    @extend_schema(request=None, responses={202: ChatOut}, parameters=[creating.PARAMETER], tags=["runs"])
    @action(detail=True, methods=["post"])
    def regenerate(self, request: Request, pk: Any) -> Response:
        """Ask for another answer to the same message; it takes the place of this one and of all that followed."""
        no_fields(request.data)
        run = self.get_object()
        return creating.create(request, lambda user: (202, ask_instead(user, run, None, source_of(request))))

    @extend_schema(methods=["post"], request=FeedbackIn, responses=FeedbackOut, tags=["runs"])
    @extend_schema(methods=["delete"], request=None, responses={204: None}, tags=["runs"])
    @action(detail=True, methods=["post", "delete"])
    def feedback(self, request: Request, pk: Any) -> Response:
        """Rate the answer of an ended run, again if you like; or take the rating back."""
        run = self.get_object()
        if request.method == "DELETE":
            Run.objects.filter(pk=run.pk).update(feedback="", feedback_reason="")
            return Response(status=204)
        fields = FeedbackIn.read(request.data)
        if run.state not in states.ENDED:
            raise Conflict("This run has not ended: there is no answer to rate yet.", code="run_unfinished")
        Run.objects.filter(pk=run.pk).update(feedback=fields["value"], feedback_reason=fields["reason"])
        return Response({"id": str(run.pk), **fields})

    @extend_schema(request=CancelIn, responses={202: CancelledOut}, tags=["runs"])
    @action(detail=False, methods=["post"], url_path="cancel", url_name="cancel-many")
    def cancel_many(self, request: Request) -> Response:
        """Stop several runs; ended ones are returned unchanged."""
        fields = CancelIn.read(request.data)
        chosen = {"pk__in": fields["ids"]} if "ids" in fields else {"queue": dispatch.RUNS_QUEUE, **fields}
        states = cancelling.cancel(list(self.get_queryset().filter(**chosen)[:1_000]))
        return Response({"runs": [{"id": pk, "state": state} for pk, state in states.items()]}, status=202)
