"""The tools that a run offers to its model, and what it says about those that it does not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from langchain_core.messages import AnyMessage

from aiops.agent import selection
from aiops.runs.work import conclusion
from aiops.runs.work.context import Assignment, RunContext
from aiops.runs.work.recorder import Recorder
from aiops.tool_servers.client.pool import Catalogue

SHOWN_NAMES = 10
"""Names listed in a notice."""
LEFT_OUT = (
    "The tool servers offer {total} tools, more than a model takes: the {offered} that fit your message best were "
    "offered to it. Left out: {names}"
)
WAITING = "Tools that wait for an administrator, who has not accepted them as they are, were not used: {names}"


async def offer(
    assignment: Assignment, context: RunContext, recorder: Recorder, *, conversation: Sequence[AnyMessage]
) -> Catalogue:
    """Return the catalogue of a run; raises RunFailed when a required server is missing."""
    catalogue = await context.tools.catalogue(user_id=assignment.user_id)
    for missing in catalogue.missing:
        if missing.required:
            raise conclusion.tool_server_missing(missing)
        await recorder.notice(missing.code, f"The tool server {missing.server!r} is missing: {missing.reason}")
    if waiting := [f"{one.server}_{one.tool}" for one in catalogue.withheld if one.waits]:
        await recorder.notice("tools_withheld", WAITING.format(names=_some(waiting)))
    if assignment.options.read_only:
        catalogue = catalogue.read_only()
    offered, left_out = selection.chosen(catalogue.tools, assignment.text, conversation=conversation)
    if left_out:
        total = len(catalogue.tools)
        text = LEFT_OUT.format(total=total, offered=total - len(left_out), names=_some(left_out))
        await recorder.notice("tools_left_out", text)
    return replace(catalogue, tools=offered)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN_NAMES]) + (", …" if len(names) > SHOWN_NAMES else "")
