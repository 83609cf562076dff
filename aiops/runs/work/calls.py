"""Writes the record of a tool call together with the steps of its run."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from aiops.agent.ports import MadeCall
from aiops.approvals import permitting
from aiops.approvals.values import Permit
from aiops.audit.actions import Action
from aiops.audit.recording import record
from aiops.runs import transitions
from aiops.runs.work.context import Assignment
from aiops.tool_servers.client.canonical import hash_of_arguments
from aiops.tool_servers.client.values import ToolClass
from aiops.tool_servers.models import ToolCall


def write(
    assignment: Assignment,
    steps: list[dict[str, Any]],
    made: MadeCall | None,
    *,
    arguments: dict[str, Any] | None,
    begins: Permit | None = None,
    ended: tuple[str, dict[str, Any]] | None = None,
) -> bool:
    """Write the steps, and the call that was made, if one was; False, with nothing written, when the claim is lost.

    ``arguments`` are kept in clear; None: only their hash. ``begins``: an approved call is about to be made; False
    also when it was made before. ``ended``: the item of one that was made, with its status and preview.
    A call that can change something is in the audit log, too.
    """
    with transaction.atomic():
        if not transitions.write_steps(assignment.claim, steps):
            return False
        if begins is not None and begins.item and not permitting.begin(begins):
            transaction.set_rollback(True)
            return False
        if ended is not None and ended[0]:
            permitting.end(ended[0], status=ended[1]["status"], preview=ended[1]["preview"])
        if made is not None:
            digest = hash_of_arguments(made.arguments)
            ToolCall.objects.create(
                run=assignment.claim.run_id,
                user_id=assignment.user_id,
                server=made.tool.server,
                name=made.tool.remote_name,
                tool_class=made.tool.tool_class,
                outcome=made.outcome,
                ms=round(made.ms, 1),
                bytes=made.size,
                arguments_hash=digest,
                arguments=arguments,
            )
            if made.tool.tool_class != ToolClass.READ:
                _record(assignment, made, digest, arguments)
    return True


def _record(assignment: Assignment, made: MadeCall, digest: str, arguments: dict[str, Any] | None) -> None:
    details: dict[str, Any] = {
        "run": str(assignment.claim.run_id),
        "tool_class": str(made.tool.tool_class),
        "outcome": made.outcome,
        "arguments_hash": digest,
    }
    record(
        Action.TOOL_CALLED,
        actor=assignment.user_name,
        actor_id=assignment.user_id,
        object=f"tool:{made.tool.server}/{made.tool.remote_name}",
        details=details if arguments is None else {**details, "arguments": arguments},
    )
