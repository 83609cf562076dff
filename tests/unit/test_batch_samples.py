"""Files as other programs write them become the items, or are refused with the reason, that their table names."""

from __future__ import annotations

import pytest

from aiops.batches.reading.lines import as_jsonl, as_row, read
from aiops.batches.reading.values import BadFile, Line, Rules
from tests.samples import batches
from tests.samples.batches import REASON, Sample, mismatches

SAMPLES = batches.read()
LIMITS = {"max_message_bytes": 32_768, "max_line_bytes": 98_304}


def lines_of(sample: Sample, *, piece: int) -> list[Line]:
    data = sample.path.read_bytes()
    options = {name: value for name, value in sample.options.items() if name != "policy"}
    pieces = [data[i : i + piece] for i in range(0, len(data), piece)]
    return list(read(pieces, sample.kind, Rules(**LIMITS, **options)))


@pytest.mark.parametrize("piece", [5, 65_536])
@pytest.mark.parametrize("sample", SAMPLES, ids=str)
def test_a_file_becomes_what_its_table_says(sample: Sample, piece: int) -> None:
    refused, lines = "", []
    try:
        lines = lines_of(sample, piece=piece)
    except BadFile as bad:
        refused = str(bad)
    if refused or (sample.refused and lines):
        assert sample.refused
        assert sample.refused in refused
        return
    assert sample.lines is not None  # those who count lines refuse a file without any
    found = [(one.custom_id, one.messages[-1]["text"] if not one.problem else REASON + one.problem) for one in lines]
    assert mismatches([(one[0], one[1]) for one in sample.lines], found) == []
    for line, expected in zip(lines, sample.lines, strict=True):
        assert not expected[2:] or line.options == expected[2]


@pytest.mark.parametrize("sample", [one for one in SAMPLES if one.valid], ids=str)
def test_valid_lines_written_in_our_form_are_read_as_the_same(sample: Sample) -> None:
    lines = [line for line in lines_of(sample, piece=65_536) if not line.problem]
    copies = list(read([as_jsonl(as_row(line) for line in lines)], "jsonl", Rules(**LIMITS)))
    assert [(c.custom_id, c.messages, c.options, c.problem) for c in copies] == [
        (line.custom_id, line.messages, line.options, "") for line in lines
    ]


def test_every_file_has_its_expectation() -> None:
    assert {one.file for one in SAMPLES} == {path.name for path in batches.FOLDER.iterdir()}
    assert len({one.file for one in SAMPLES}) >= 40
    assert len({str(one) for one in SAMPLES}) == len(SAMPLES)


def test_git_leaves_the_bytes_of_sample_files_alone() -> None:
    attributes = (batches.FOLDER.parents[2] / ".gitattributes").read_text().splitlines()
    assert "tests/samples/** -text" in attributes
