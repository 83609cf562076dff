"""``aiops doctor`` compares all workers that answer: version, tables, clocks, and consumers on RabbitMQ."""

from __future__ import annotations

from typing import Any

from aiops import __version__
from config.doctor import workers
from workers.about import migrations

ASKED = (1_000.0, 1_002.0)


def answer(name: str, **changes: Any) -> dict[str, Any]:
    usual = {"host": name.partition("@")[2], "version": __version__, "migrations": migrations(), "clock": 1_001.0}
    return {"name": name, "queues": ["runs"], **usual, **changes}


def compared(*answers: dict[str, Any], consumers: int | None = None) -> dict[str, str]:
    """Return what is not right, by part."""
    found = workers.compare(list(answers), {"runs": consumers}, asked=ASKED)
    return {finding.part: finding.seen for finding in found if not finding.ok}


def test_workers_that_agree_are_counted() -> None:
    (finding,) = workers.compare([answer("a@one"), answer("b@two")], {"runs": 2}, asked=ASKED)
    assert finding.ok
    assert finding.seen == "2 on 2 hosts answered: one, two"


def test_no_worker_at_all_is_a_finding() -> None:
    assert list(compared()) == ["workers"]


def test_each_disagreement_names_the_workers() -> None:
    found = compared(
        answer("a@one"),
        answer("b@two", version="0.0.9"),
        answer("c@three", migrations=["runs.0001_initial"]),
        answer("d@four", clock=1_010.0),
        answer("e@five", clock=995.0),
    )
    assert found == {
        "version of workers": f"this is {__version__}, b@two: 0.0.9",
        "tables of workers": "other tables than this version's are known to c@three",
        "clocks of workers": "this host's clock differs from d@four: +8.0 s, e@five: -5.0 s",
    }


def test_workers_that_answer_and_take_nothing_are_found_where_the_broker_counts() -> None:
    two = answer("a@one"), answer("b@one")
    assert compared(*two, consumers=1) == {"consumers runs": "2 workers answer, but only 1 take from it"}
    assert compared(*two, consumers=None) == {}
