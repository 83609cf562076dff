"""Room is divided fairly: users first, then their batches."""

from __future__ import annotations

from uuid import uuid4

from aiops.batches.sharing import Wish, shares

ANN, BOB = uuid4(), uuid4()
ONE, TWO, THREE = uuid4(), uuid4(), uuid4()


def test_a_user_with_two_batches_gets_no_more_than_one_with_one() -> None:
    wishes = [Wish(ONE, ANN, 0, 100), Wish(TWO, ANN, 0, 100), Wish(THREE, BOB, 0, 100)]
    assert shares(wishes, capacity=8) == {ONE: 2, TWO: 2, THREE: 4}


def test_who_comes_late_catches_up() -> None:
    wishes = [Wish(ONE, ANN, 10, 100), Wish(TWO, BOB, 0, 100)]
    assert shares(wishes, capacity=10) == {TWO: 10}


def test_what_one_cannot_use_another_gets() -> None:
    wishes = [Wish(ONE, ANN, 0, 2), Wish(TWO, BOB, 0, 100)]
    assert shares(wishes, capacity=10) == {ONE: 2, TWO: 8}
    assert shares(wishes[:1], capacity=10) == {ONE: 2}
    assert shares([], capacity=10) == {}
