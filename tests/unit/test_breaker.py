"""The circuit breaker of a tool server: what opens it, what is let through, and what closes it."""

from __future__ import annotations

import contextlib

import pytest

from aiops.tool_servers.client import breaker as module
from aiops.tool_servers.client.breaker import FAILURES, FIRST_PAUSE_S, GRACE_S, MAX_PAUSE_S, Breaker
from aiops.tool_servers.client.errors import CircuitOpen, ServerDown, ToolTimeout


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker("netbox", now=clock)


def fail(breaker: Breaker, error: Exception | None = None) -> str:
    """Make a call that fails; return what its caller sees."""
    with pytest.raises((ServerDown, ToolTimeout)) as seen, breaker.passing():
        raise error or ToolTimeout("30 s")
    return str(seen.value)


def succeed(breaker: Breaker) -> None:
    with breaker.passing():
        pass


def opened(breaker: Breaker) -> Breaker:
    for _ in range(FAILURES):
        fail(breaker)
    return breaker


def test_calls_fail_at_once_after_failures_in_a_row_and_say_until_when(breaker: Breaker) -> None:
    for error in (ToolTimeout("30 s"), ServerDown("lost"), ToolTimeout("30 s")):
        assert not breaker.is_open
        fail(breaker, error)
    said = fail(breaker)
    assert breaker.is_open
    assert said.startswith("The tool server 'netbox' has not answered 3 calls in a row, since 2")
    assert said.count(" UTC") == 2


def test_a_success_between_failures_keeps_the_circuit_closed(breaker: Breaker) -> None:
    for _ in range(3 * FAILURES):
        fail(breaker)
        succeed(breaker)
    assert not breaker.is_open


def test_what_is_no_fault_of_the_server_is_not_counted(breaker: Breaker) -> None:
    for _ in range(3 * FAILURES):
        with contextlib.suppress(ValueError, KeyboardInterrupt), breaker.passing():
            raise ValueError("of the tool")
        with contextlib.suppress(KeyboardInterrupt), breaker.passing():
            raise KeyboardInterrupt
    succeed(breaker)


def test_after_the_pause_one_call_is_let_through_and_its_success_closes_the_circuit(
    breaker: Breaker, clock: Clock
) -> None:
    opened(breaker)
    clock.now += FIRST_PAUSE_S - 0.1
    with pytest.raises(CircuitOpen):
        succeed(breaker)
    clock.now += 0.1
    with breaker.passing():
        with pytest.raises(CircuitOpen, match="one is being tried now"):
            succeed(breaker)
    assert not breaker.is_open
    succeed(breaker)


def test_pauses_grow_up_to_the_longest_and_begin_anew_after_a_success(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    pauses = []
    for _ in range(9):
        pauses.append(breaker._pause_s)
        clock.now += breaker._pause_s
        assert "not answered" not in fail(breaker), "it is let through"
    assert pauses == [5, 10, 20, 40, 80, 160, MAX_PAUSE_S, MAX_PAUSE_S, MAX_PAUSE_S]
    clock.now += MAX_PAUSE_S
    succeed(breaker)
    opened(breaker)
    assert breaker._pause_s == FIRST_PAUSE_S


def test_calls_that_began_before_the_circuit_opened_make_no_pause_longer(breaker: Breaker) -> None:
    late, error = [breaker.passing() for _ in range(50)], ToolTimeout("30 s")
    for call in late:
        call.__enter__()
    for call in late:
        assert not call.__exit__(ToolTimeout, error, None)
    assert breaker.is_open
    assert breaker._pause_s == FIRST_PAUSE_S


def test_a_call_that_is_stopped_while_it_tries_leaves_the_next_one_the_try(breaker: Breaker, clock: Clock) -> None:
    opened(breaker)
    clock.now += FIRST_PAUSE_S
    with contextlib.suppress(KeyboardInterrupt), breaker.passing():
        raise KeyboardInterrupt
    assert breaker.is_open
    succeed(breaker)
    assert not breaker.is_open


def test_a_health_check_that_passes_lets_a_call_try_at_once_but_only_one(breaker: Breaker) -> None:
    opened(breaker)
    breaker.check_passed()
    assert "not answered" not in fail(breaker)
    assert "not answered" in fail(breaker)


def test_a_server_that_restarts_is_waited_for_and_one_that_stays_away_is_not(breaker: Breaker, clock: Clock) -> None:
    for _ in range(FAILURES):
        breaker.not_connected(again_in_s=1.0)
        assert not isinstance(breaker.absence("refused"), CircuitOpen)
    clock.now += GRACE_S
    breaker.not_connected(again_in_s=4.0)
    away = breaker.absence("refused.")
    assert isinstance(away, CircuitOpen)
    assert "not connected: refused. It has been away since 2" in str(away)
    assert away.unmade
    breaker.connected()
    breaker.not_connected(again_in_s=1.0)
    assert not isinstance(breaker.absence("refused"), CircuitOpen), "it was back meanwhile"


def test_connecting_again_does_not_close_a_circuit_that_calls_have_opened(breaker: Breaker) -> None:
    opened(breaker)
    breaker.not_connected(again_in_s=1.0)
    breaker.connected()
    assert "not answered" in fail(breaker)


def test_the_pauses_are_those_of_the_documentation() -> None:
    assert (module.FAILURES, module.FIRST_PAUSE_S, module.MAX_PAUSE_S) == (3, 5.0, 300.0)
