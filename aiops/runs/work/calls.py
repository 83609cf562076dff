"""Writes the record of a tool call together with the steps of its run."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from aiops.agent.ports import MadeCall
from aiops.approvals import permitting
from aiops.approvals.values import Permit
from aiops.runs import transitions
from aiops.runs.work.context import Assignment
from aiops.tool_servers.client.canonical import hash_of_arguments
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
            ToolCall.objects.create(
                run=assignment.claim.run_id,
                user_id=assignment.user_id,
                server=made.tool.server,
                name=made.tool.remote_name,
                tool_class=made.tool.tool_class,
                outcome=made.outcome,
                ms=round(made.ms, 1),
                bytes=made.size,
                arguments_hash=hash_of_arguments(made.arguments),
                arguments=arguments,
            )
    return True
