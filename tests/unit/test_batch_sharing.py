"""Room is divided fairly: users first, then their batches."""

from __future__ import annotations

from uuid import uuid4

from aiops.batches.sharing import Demand, shares

ANN, BOB = uuid4(), uuid4()
ONE, TWO, THREE = uuid4(), uuid4(), uuid4()


def test_a_user_with_two_batches_gets_no_more_than_one_with_one() -> None:
    demands = [Demand(ONE, ANN, 0, 100), Demand(TWO, ANN, 0, 100), Demand(THREE, BOB, 0, 100)]
    assert shares(demands, capacity=8) == {ONE: 2, TWO: 2, THREE: 4}


def test_a_subscriber_who_comes_late_catches_up() -> None:
    demands = [Demand(ONE, ANN, 10, 100), Demand(TWO, BOB, 0, 100)]
    assert shares(demands, capacity=10) == {TWO: 10}


def test_room_that_one_user_cannot_use_goes_to_another() -> None:
    demands = [Demand(ONE, ANN, 0, 2), Demand(TWO, BOB, 0, 100)]
    assert shares(demands, capacity=10) == {ONE: 2, TWO: 8}
    assert shares(demands[:1], capacity=10) == {ONE: 2}
    assert shares([], capacity=10) == {}
