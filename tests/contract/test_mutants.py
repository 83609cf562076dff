"""The mechanisms that ``make mutants`` takes out are there, and the document lists them all."""

from __future__ import annotations

import pytest

from tests.contract.test_consistency import ROOT
from tests.contract.test_security import TESTS
from tests.mutants.__main__ import table
from tests.mutants.changes import Body, Call, Change, Entry, Expression, Keyword, NotFound, changed
from tests.mutants.mechanisms import MECHANISMS, Mechanism


@pytest.mark.parametrize("one", MECHANISMS, ids=lambda one: one.name)
def test_a_mechanism_can_be_taken_out_and_its_test_exists(one: Mechanism) -> None:
    source = (ROOT / one.file).read_text()
    assert compile(changed(source, scope=one.scope, change=one.change), one.file, "exec")
    path, _, name = one.test.partition("::")
    assert (ROOT / path).is_file()
    assert not name or name in TESTS


def test_the_document_lists_every_mechanism() -> None:
    assert table() in (ROOT / "docs/faults.md").read_text()


CODE = """
class Store:
    '''Rows.'''
    def read(self, key):
        '''One row.'''
        if self.ready and key > 0:  # else nothing
            return self.rows.filter(
                key=key, state=1,
            ).first()

OPTIONS = {"timeout": 10, "mode": "wal"}
"""


@pytest.mark.parametrize(
    ("scope", "change", "line"),
    [
        ("Store.read", Body("return 1"), "return 1"),
        ("Store.read", Call("first", "2"), "return 2"),
        ("Store.read", Expression("key>0"), "if self.ready and False:"),
        ("Store.read", Keyword("filter", "state"), "return self.rows.filter(key=key).first()"),
        ("Store.read", Keyword("filter", "state", "3"), "return self.rows.filter(key=key, state=3).first()"),
        ("OPTIONS", Entry("timeout"), "OPTIONS = {'mode': 'wal'}"),
        ("OPTIONS", Entry("timeout", "1"), "OPTIONS = {'timeout': 1, 'mode': 'wal'}"),
    ],
)
def test_a_change_applies_whatever_the_layout_and_comments_around_it(scope: str, change: Change, line: str) -> None:
    assert line in [written.strip() for written in changed(CODE, scope=scope, change=change).splitlines()]


@pytest.mark.parametrize(
    ("scope", "change"),
    [
        ("Store.write", Body("return 1")),
        ("Store.read", Call("last")),
        ("Store.read", Expression("key")),
        ("Store.read", Keyword("filter", "fence")),
        ("OPTIONS", Entry("size")),
    ],
)
def test_a_change_that_does_not_apply_exactly_once_is_refused(scope: str, change: Change) -> None:
    with pytest.raises(NotFound):
        changed(CODE, scope=scope, change=change)
