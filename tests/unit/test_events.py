"""Events: their ids, their order, and how deltas are coalesced."""

from __future__ import annotations

from itertools import pairwise

import pytest

from aiops.events import types
from aiops.events.types import Event, EventId


def test_ids_are_in_order_of_fence_then_number() -> None:
    ordered = [EventId(0, 1), EventId(1, 1), EventId(1, 10), EventId(1, types.FIRST_SYSTEM_SEQ + 1), EventId(2, 1)]
    assert sorted(ordered, key=lambda e: (e.fence, e.seq)) == ordered
    assert all(a < b for a, b in pairwise(ordered))


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "a-b", "1-2-3", "١-١", "9" * 60 + "-1"])
def test_a_text_that_is_no_event_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an event id"):
        EventId.parse(text)


def test_an_event_survives_its_json() -> None:
    event = types.make("r", EventId(2, 3), types.DELTA, {"text": "é\n"})
    assert Event.loads(event.dumps()) == event
    assert event.data["fence"] == 2


def test_a_preview_never_cuts_a_character() -> None:
    assert types.cut("é" * 10, max_bytes=20) == "é" * 10
    assert types.cut("é" * 10, max_bytes=10) == "ééé…"
