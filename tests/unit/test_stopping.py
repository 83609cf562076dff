"""A run stops when asked, also when its cancellation is swallowed, and its end is not interrupted."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from aiops.runs.work.stopping import Stop, Why


async def stubborn(stop: Stop, swallow: int) -> str:
    """Work until stopped, swallowing so many cancellations on the way."""
    try:
        with stop.guard():
            while True:
                try:
                    await asyncio.sleep(30)
                except asyncio.CancelledError:
                    swallow -= 1
                    if swallow < 0:
                        raise
    except asyncio.CancelledError:
        await asyncio.sleep(0.7)  # the end: longer than the next repetition
        return "ended"


@pytest.mark.parametrize("swallowed", [0, 1, 2])
async def test_a_swallowed_cancellation_is_repeated(swallowed: int) -> None:
    stop = Stop()
    task = asyncio.create_task(stubborn(stop, swallowed))
    await asyncio.sleep(0)
    stop.ask(Why.CANCEL)
    assert await asyncio.wait_for(task, 5) == "ended"
    assert task.cancelling() == 0


async def test_a_run_stopped_before_it_began_never_begins() -> None:
    stop = Stop()
    stop.ask(Why.DRAIN)
    with pytest.raises(asyncio.CancelledError), stop.guard():
        pytest.fail("it began")


async def test_a_lost_claim_outranks_every_other_reason() -> None:
    stop = Stop()
    for why in (Why.CANCEL, Why.LOST, Why.DRAIN):
        stop.ask(why)
    assert stop.why is Why.LOST


async def test_a_request_to_stop_cancels_nothing_after_its_guard_ended() -> None:
    stop = Stop()
    with contextlib.suppress(asyncio.CancelledError), stop.guard():
        stop.ask(Why.CANCEL)
        await asyncio.sleep(1)
    await asyncio.sleep(0.7)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
