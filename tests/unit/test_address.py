"""Whom an address is counted as."""

from __future__ import annotations

import pytest

from aiops.web.address import UNREADABLE, counted_as


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::1", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
        ("", UNREADABLE),
        ("unknown", UNREADABLE),
        ("192.0.2.7, 192.0.2.8", UNREADABLE),
    ],
)
def test_a_network_that_one_side_has_whole_counts_as_one(text: str, one: str) -> None:
    assert counted_as(text) == one
