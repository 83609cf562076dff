"""What follows from a run's state is the same wherever it is used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from aiops.events import types
from aiops.runs import states
from aiops.runs.options import RunOptions
from aiops.runs.states import State

SCRIPT = Path(__file__).parents[2] / "aiops/conversations/static/conversations/turn.js"


def test_a_run_either_has_ended_or_can_still_be_cancelled() -> None:
    assert set(states.ENDED) | set(states.UNFINISHED) == set(State)
    assert not set(states.ENDED) & set(states.UNFINISHED)
    assert set(states.STOPS_AT_ONCE) | set(states.HOLDS_WORKER) == set(states.UNFINISHED)


@pytest.mark.parametrize("state", State)
def test_a_state_that_holds_a_worker_is_active_and_an_active_one_has_not_ended(state: State) -> None:
    assert state.facts.active or not state.facts.holds_worker
    assert not (state.facts.active and state.facts.ended)
    assert (state.last_event in types.TERMINAL) == state.facts.ended


def test_the_pages_script_ends_a_turn_in_the_states_in_which_a_run_ends() -> None:
    script = SCRIPT.read_text()
    listed = re.search(r"const ENDED = new Set\(\[([^]]*)\]\)", script)
    assert listed is not None
    assert re.findall(r'"(\w+)"', listed[1]) == [state.value for state in states.ENDED]
    for event in types.TERMINAL:
        assert f'"{event}": (turn' in script


def test_options_keep_in_their_row_what_was_asked_and_nothing_else() -> None:
    asked = {
        "message": "hello",
        "model": "llama3",
        "temperature": 0.0,
        "read_only": False,
        "webhook": "https://a.example",
    }
    options = RunOptions.of(asked, default_deadline_s=120)
    assert options.deadline_s == 120
    assert options.stored() == {"model": "llama3", "temperature": 0.0}
    assert RunOptions.of(options.stored(), default_deadline_s=options.deadline_s) == options
