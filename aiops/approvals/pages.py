"""The pages of approvals: what waits, one approval, what is allowed for a conversation, and the policies."""

from __future__ import annotations

import json
from typing import Any, cast
from uuid import UUID

from django.conf import settings as django_settings
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import path
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_GET

from aiops.approvals import people, rules
from aiops.approvals.models import AGENT_KINDS, ENVIRONMENTS, Approval, ApprovalItem, ApprovalPolicy
from aiops.approvals.shapes import APPROVAL_STATES, OUTCOMES, TOOL_CLASSES, groups
from aiops.approvals.values import STANDARD, ApprovalState, ItemState
from aiops.changes import recording
from aiops.people.models import User
from aiops.runs import sources
from aiops.tool_servers.client.values import ToolClass
from aiops.web.pages import difference
from aiops.web.pages.listing import page_of
from aiops.web.pages.live import render_live
from aiops.web.pages.rights import needs

MOST_GRANTS = 200
MOST_POLICIES = 1_000
TO_DECIDE, ASKED, ALL = "decide", "asked", "all"


@require_GET
@login_required
@ensure_csrf_cookie
def list_(request: HttpRequest) -> HttpResponse:
    """Show what waits for the reader, what the reader's runs asked, or all; only the rows when it refreshes itself."""
    user = cast(User, request.user)
    shown = request.GET.get("show", TO_DECIDE)
    state = request.GET.get("state", "")
    waiting = people.for_me(user)
    found = {
        TO_DECIDE: waiting,
        ASKED: Approval.objects.filter(requester=user.pk),
        ALL: people.visible_to(user),
    }.get(shown)
    if found is None:
        raise Http404
    if state in dict(APPROVAL_STATES) and shown != TO_DECIDE:
        found = found.filter(state=state)
    page = page_of(_with_items(found), request)
    context: dict[str, Any] = {
        "here": "approvals",
        "page": page,
        "show": shown,
        "state": state,
        "states": APPROVAL_STATES,
        "waiting": waiting.count(),
        "grants": people.grants_of(user).select_related("granted_by").order_by("-pk")[:MOST_GRANTS],
    }
    return render_live(request, "approvals/approvals.html", "approvals/rows.html", context)


@require_GET
@login_required
@ensure_csrf_cookie
def page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one approval, with the form of who may decide. Opening it decides nothing."""
    user = cast(User, request.user)
    approval = get_object_or_404(_with_items(people.visible_to(user)), pk=pk)
    context = {"here": "approvals", **card(approval, user), "sees_run": approval.requester_id == user.pk}
    return render(request, "approvals/approval.html", context)


@require_GET
@login_required
@ensure_csrf_cookie
def of_run(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """Return the card of what a run of the reader waits for, for the chat; empty when it waits for nothing."""
    user = cast(User, request.user)
    pending = Approval.objects.filter(run=run_id, requester=user.pk, state=ApprovalState.PENDING)
    approval = _with_items(pending).first()
    if approval is None:
        return HttpResponse("")
    return render(request, "approvals/card.html", {**card(approval, user), "in_chat": True})


@require_GET
@login_required
@needs("approvals.view_approvalpolicy")
@ensure_csrf_cookie
def policies(request: HttpRequest) -> HttpResponse:
    """Show the policies in their order, and a form for another."""
    context: dict[str, Any] = {
        "here": "approvals",
        "policies": ApprovalPolicy.objects.all()[:MOST_POLICIES],
        "standard": STANDARD,
        **_choices(),
    }
    return render(request, "approvals/policies.html", context)


@require_GET
@login_required
@needs("approvals.view_approvalpolicy")
@ensure_csrf_cookie
def policy(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Show one policy with a form, and its changes."""
    row = get_object_or_404(ApprovalPolicy, pk=pk)
    context = {"here": "approvals", "policy": row, "changes": recording.of(row)[:30], **_choices()}
    return render(request, "approvals/policy.html", context)


def card(approval: Approval, user: User) -> dict[str, Any]:
    """Return what the card of an approval shows to a person."""
    mine = people.Mine(user)
    attended = approval.run.source not in sources.UNATTENDED
    items = []
    for item in approval.items.all():
        items.append(
            {
                "item": item,
                "arguments": "\n".join(_lines(item.read)),
                "difference": difference.marked(_lines(item.shown_arguments), _lines(item.read)),
                "is_mine": mine.includes(item),
                "may_remember": attended and item.tool_class != ToolClass.DESTRUCTIVE,
                "is_open": item.state == ItemState.PENDING,
            }
        )
    return {"approval": approval, "items": items, "has_mine": any(one["is_mine"] for one in items)}


def _with_items(approvals: QuerySet[Approval]) -> QuerySet[Approval]:
    items = Prefetch("items", ApprovalItem.objects.select_related("approval"))
    return approvals.select_related("run", "requester").defer("message").prefetch_related(items)


def _lines(arguments: dict[str, Any]) -> list[str]:
    return json.dumps(arguments, indent=2, ensure_ascii=False).splitlines()


def _choices() -> dict[str, Any]:
    return {
        "classes": TOOL_CLASSES,
        "outcomes": OUTCOMES,
        "kinds": AGENT_KINDS,
        "environments": ENVIRONMENTS,
        "groups": groups(),
        "shortest_s": rules.SHORTEST_S,
        "longest_s": rules.LONGEST_S,
        "reason_required": django_settings.SETTINGS.require_change_reason,
    }


urlpatterns = [
    path("approvals/", list_, name="approvals"),
    path("approvals/policies/", policies, name="approval-policies"),
    path("approvals/policies/<uuid:pk>/", policy, name="approval-policy"),
    path("approvals/of-run/<uuid:run_id>/", of_run, name="approval-of-run"),
    path("approvals/<uuid:pk>/", page, name="approval"),
]
