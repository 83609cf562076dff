"""Times come when a person would expect them, also when clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from aiops.schedules.timing import BadTime, Times, with_jitter

START = datetime(2026, 10, 1, tzinfo=UTC)


def shown(times: list[datetime]) -> list[str]:
    return [time.strftime("%m-%d %H:%M") for time in times]


def test_intervals_are_counted_from_the_beginning_and_not_from_the_last_look() -> None:
    times = Times(since=START, every_s=3_600)
    assert shown(times.some(START + timedelta(minutes=90), count=2)) == ["10-01 02:00", "10-01 03:00"]
    assert times.next(START) == START + timedelta(hours=1)
    assert times.next(START - timedelta(days=9)) == START + timedelta(hours=1)


def test_cron_keeps_the_clock_of_its_zone_over_summer_and_winter_time() -> None:
    berlin = Times(since=START, cron="0 7 * * *", timezone="Europe/Berlin")
    assert shown(berlin.some(datetime(2026, 10, 24, tzinfo=UTC), count=3)) == [
        "10-24 05:00",
        "10-25 06:00",
        "10-26 06:00",
    ]
    assert shown(berlin.some(datetime(2027, 3, 27, tzinfo=UTC), count=2)) == ["03-27 06:00", "03-28 05:00"]


def test_an_hour_that_comes_twice_is_used_once_and_one_that_is_left_out_comes_after_the_change() -> None:
    night = Times(since=START, cron="30 2 * * *", timezone="Europe/Berlin")
    assert shown(night.some(datetime(2026, 10, 24, 12, tzinfo=UTC), count=2)) == ["10-25 00:30", "10-26 01:30"]
    assert shown(night.some(datetime(2027, 3, 27, 12, tzinfo=UTC), count=2)) == ["03-28 01:00", "03-29 00:30"]


def test_every_hour_is_every_hour_also_when_clocks_change() -> None:
    hourly = Times(since=START, cron="0 * * * *", timezone="Europe/Berlin")
    times = hourly.some(datetime(2026, 10, 24, 22, tzinfo=UTC), count=6)
    assert {b - a for a, b in pairwise(times)} == {timedelta(hours=1)}


def test_a_single_time_comes_once_and_no_time_comes_after_the_end() -> None:
    once = Times(since=START, at=START + timedelta(days=1))
    assert once.some(START, count=5) == [START + timedelta(days=1)]
    assert once.next(START + timedelta(days=1)) is None
    ending = Times(since=START, every_s=86_400, ends_at=START + timedelta(days=2))
    assert len(ending.some(START, count=5)) == 2


@pytest.mark.parametrize(
    ("cron", "zone"),
    [
        ("nonsense", "UTC"),
        ("* * * *", "UTC"),
        ("0 0 30 2 *", "UTC"),
        ("61 * * * *", "UTC"),
        ("0 0 * * * *", "UTC"),
        ("0 0 * * *", "Mars/Base"),
        ("0 0 * * *", "../../etc/passwd"),
        ("0 0 * * *", "Europe"),
        ("0 0 * * *", "right/Europe/Berlin"),
        ("0 0 * * *", "posixrules"),
        ("0 0 * * *", "Factory"),
        ("@reboot", "UTC"),
        ("0 0 * * *", ""),
    ],
)
def test_a_cron_expression_or_zone_without_a_next_time_is_refused(cron: str, zone: str) -> None:
    with pytest.raises(BadTime):
        Times(since=START, cron=cron, timezone=zone).next(START)


def test_jitter_comes_later_and_never_earlier() -> None:
    shares = [with_jitter(START, jitter_s=10) for _ in range(100)]
    assert all(START <= share <= START + timedelta(seconds=10) for share in shares if share)
    assert len(set(shares)) > 1
    assert with_jitter(None, jitter_s=10) is None


@pytest.mark.parametrize(
    ("cron", "zone", "moment"),
    [
        ("30 2 * * *", "Europe/Berlin", datetime(2026, 10, 25, 1, 5, tzinfo=UTC)),
        ("30 1 * * *", "America/New_York", datetime(2026, 11, 1, 6, 10, tzinfo=UTC)),
        ("45 1 * * *", "Australia/Lord_Howe", datetime(2027, 4, 3, 15, 5, tzinfo=UTC)),
    ],
)
def test_in_an_hour_that_comes_twice_no_time_is_one_that_has_passed(cron: str, zone: str, moment: datetime) -> None:
    for minutes in range(0, 120, 5):
        look = moment - timedelta(minutes=60) + timedelta(minutes=minutes)
        times = Times(since=START, cron=cron, timezone=zone).some(look, count=3)
        assert times == sorted(set(times))
        assert times[0] > look


@pytest.mark.parametrize(
    ("cron", "reason"),
    [
        ("@reboot", "There is no @reboot: use @hourly"),
        ("0 7 * *", "this one has 4"),
        ("0 7 * * 1-5 /usr/bin/backup --all", "and no command; this one has 7"),
    ],
)
def test_what_is_wrong_with_a_cron_expression_is_named(cron: str, reason: str) -> None:
    with pytest.raises(BadTime, match=reason):
        Times(since=START, cron=cron).next(START)


def test_short_names_of_crontabs_are_known() -> None:
    daily = Times(since=START, cron="@daily", timezone="Europe/Berlin")
    assert daily.some(START, count=2) == Times(since=START, cron="0 0 * * *", timezone="Europe/Berlin").some(
        START, count=2
    )


def test_the_shortest_gap_is_that_between_the_closest_times() -> None:
    assert Times(since=START, cron="0,5 7 * * *").shortest_gap(START) == timedelta(minutes=5)
    assert Times(since=START, at=START + timedelta(days=1)).shortest_gap(START) is None
