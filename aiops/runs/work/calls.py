"""Writes the record of a tool call together with the steps of its run."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from aiops.agent.ports import MadeCall
from aiops.runs import transitions
from aiops.runs.work.context import Assignment
from aiops.tool_servers.client.canonical import hash_of_arguments
from aiops.tool_servers.models import ToolCall


def write(
    assignment: Assignment, steps: list[dict[str, Any]], made: MadeCall | None, *, arguments: dict[str, Any] | None
) -> bool:
    """Write the steps, and the call that was made, if one was; False, with nothing written, when the claim is lost.

    ``arguments`` are kept in clear; None: only their hash.
    """
    with transaction.atomic():
        if not transitions.write_steps(assignment.claim, steps):
            return False
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
