"""Who may decide about a call, and who may see an approval."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from aiops.approvals.models import Approval, ApprovalItem, Grant
from aiops.approvals.values import ApprovalState, ItemState
from aiops.people.models import User

VIEW_ALL = "approvals.view_approval"
"""The permission to see everybody's approvals; it decides nothing."""


def roles_of(user: User) -> list[str]:
    """Return the names of the groups that a person is in."""
    return list(user.groups.values_list("name", flat=True))


def deciders(role: str, *, requester_id: UUID | str) -> QuerySet[User]:
    """Return who may decide about a call of this requester: the members of a group but the requester, or that one."""
    active = User.objects.filter(is_active=True)
    return active.filter(groups__name=role).exclude(pk=requester_id) if role else active.filter(pk=requester_id)


def may_decide(user: User, item: ApprovalItem, roles: list[str]) -> bool:
    """Return whether a person may decide about an item; ``roles`` are the names of that person's groups."""
    is_requester = item.approval.requester_id == user.pk
    return item.role in roles and not is_requester if item.role else is_requester


def visible_to(user: User) -> QuerySet[Approval]:
    """Return the approvals that a person asked for or is asked about, or all with the permission."""
    if user.has_perm(VIEW_ALL):
        return Approval.objects.all()
    return Approval.objects.filter(Q(requester=user.pk) | Exists(_items(role__in=user.groups.values("name"))))


def for_me(user: User) -> QuerySet[Approval]:
    """Return the pending approvals with an item that waits for this person."""
    pending = Approval.objects.filter(state=ApprovalState.PENDING)
    own = Exists(_items(state=ItemState.PENDING, role=""))
    of_role = Exists(_items(state=ItemState.PENDING, role__in=user.groups.values("name")))
    return pending.filter((Q(requester=user.pk) & own) | (~Q(requester=user.pk) & of_role))


def count_for_me(user: User) -> int:
    """Return how many approvals wait for a person."""
    return for_me(user).count()


def _items(**conditions: object) -> QuerySet[ApprovalItem]:
    return ApprovalItem.objects.filter(approval=OuterRef("pk"), **conditions)


def grants_of(user: User) -> QuerySet[Grant]:
    """Return what is allowed for this person's conversations, or was by this person."""
    return Grant.objects.filter(Q(conversation__user=user.pk) | Q(granted_by=user.pk))


class Mine:
    """The pending items that a person may decide about, which reads that person's groups once."""

    def __init__(self, user: User) -> None:
        self._user = user
        self._roles: list[str] | None = None

    def includes(self, item: ApprovalItem) -> bool:
        """Return whether an item waits for this person."""
        if item.state != ItemState.PENDING or item.approval.state != ApprovalState.PENDING:
            return False
        if self._roles is None:
            self._roles = roles_of(self._user)
        return may_decide(self._user, item, self._roles)
