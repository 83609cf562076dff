"""One run from its claim to its last event, in order."""

from __future__ import annotations

import asyncio

from langgraph.errors import GraphBubbleUp

from aiops import log
from aiops.agent.parking import Parked
from aiops.errors import AiopsError
from aiops.events.writer import EventWriter
from aiops.llm import last_use
from aiops.runs.states import State
from aiops.runs.work import conclusion, parking
from aiops.runs.work.context import Assignment, RunContext
from aiops.runs.work.execution import Execution
from aiops.runs.work.recorder import LostClaim, Recorder
from aiops.runs.work.stopping import Stop, Why

logger = log.get(__name__)


async def answer(assignment: Assignment, context: RunContext, stop: Stop) -> None:
    """Answer one message: call the model and tools, publish every step, and write how the run ended.

    Raises only when the database refuses the end: then the lease expires and the reaper takes over.
    """
    events = EventWriter(
        context.redis,
        assignment.claim.run_id,
        fence=assignment.claim.fence,
        message_id=assignment.answer_id,
        redactor=context.redactor,
        ttl_s=context.settings.stream_ttl_s,
    )
    recorder = Recorder(assignment, context, events)
    execution = Execution(assignment, context, recorder, stop)
    deadline = asyncio.get_running_loop().call_later(assignment.options.deadline_s, stop.ask, Why.DEADLINE)
    state: State = State.SUCCEEDED
    failure: AiopsError | None = None
    parked: Parked | None = None
    with log.bind(run=assignment.claim.run_id, conversation=assignment.conversation_id):
        try:
            with stop.guard():
                await execution.execute()
        except asyncio.CancelledError:
            if stop.why is None:
                raise
            state = State.CANCELLED
            if stop.why is Why.DEADLINE:
                state, failure = State.FAILED, conclusion.deadline_exceeded(assignment)
        except LostClaim:
            stop.why = Why.LOST
        except Parked as asks:
            parked = asks
            execution.count(asks)
        except GraphBubbleUp:  # there is no parent graph to handle it, and a run always ends
            state, failure = State.FAILED, conclusion.not_resumable()
        except Exception as error:  # noqa: BLE001  the last handler: whatever failed, the run must not stay "running"
            state, failure = State.FAILED, conclusion.describe(error)
        finally:
            deadline.cancel()
        await recorder.close()
        if parked is not None and stop.why is not Why.LOST:
            so_far = execution.ending(State.WAITING_APPROVAL, None)
            if await parking.park(assignment, context, recorder, parked, so_far):
                return
            state = State.CANCELLED  # its owner asked meanwhile; a lost claim writes nothing
        await conclusion.conclude(assignment, context, recorder, execution.ending(state, failure), why=stop.why)
        if execution.spec is not None and last_use.is_due(execution.spec):
            await context.in_thread(last_use.record, execution.spec.name)
