"""A batch's file becomes items, or each line the reason why it is none."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from aiops.batches.reading.lines import read
from aiops.batches.reading.source import CURE
from aiops.batches.reading.values import BadFile, Line, Rules

RULES = Rules(template="", max_message_bytes=100, max_line_bytes=1_000)


def lines(data: bytes, kind: str = "jsonl", rules: Rules = RULES, *, piece: int = 7) -> list[Line]:
    return list(read([data[i : i + piece] for i in range(0, len(data), piece)], kind, rules))


def test_jsonl_becomes_items_however_the_file_is_cut() -> None:
    data = '{"custom_id": "ä", "prompt": "one", "model": "m"}\n\n{"prompt": "two"}'.encode()
    for piece in (1, 3, 1_000):
        first, second = lines(data, piece=piece)
        assert (first.number, first.custom_id, first.options) == (1, "ä", {"model": "m"})
        assert first.messages == [{"role": "user", "text": "one"}]
        assert (second.number, second.custom_id, second.problem) == (2, "2", "")


def test_earlier_messages_of_a_batch_line_are_taken_over_in_order() -> None:
    said = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    (line,) = lines(json.dumps({"messages": said}).encode())
    assert [(m["role"], m["text"]) for m in line.messages] == [("user", "a"), ("assistant", "b"), ("user", "c")]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("nonsense", "not JSON"),
        ("[]", "not a JSON object"),
        ("{}", "either prompt or messages"),
        ('{"prompt": "a", "messages": []}', "either prompt or messages"),
        ('{"prompt": ""}', "blank"),
        ('{"prompt": 5}', "must be a text"),
        ('{"prompt": "a", "promt": "b"}', "no such field: promt"),
        ('{"prompt": "a", "custom_id": 5}', "custom_id must be"),
        ('{"prompt": "a", "custom_id": "a\\nb"}', "custom_id must be"),
        ('{"prompt": "a\\u0000"}', "NUL"),
        ('{"prompt": "\\ud800"}', "surrogate"),
        ('{"prompt": "' + "x" * 101 + '"}', "101 bytes"),
        ('{"prompt": "' + "x" * 2_000 + '"}', "too long"),
        ('{"messages": [{"role": "system", "content": "a"}]}', "role is one of"),
        ('{"messages": [{"role": "assistant", "content": "a"}]}', "last message must be the user's"),
        ('{"messages": [{"role": "user", "content": "a", "x": 1}]}', "role and content"),
        ("[" * 900, "not JSON"),
    ],
)
def test_a_bad_line_says_why_and_the_next_is_read(line: str, why: str) -> None:
    bad, good = lines(f'{line}\n{{"prompt": "good"}}\n'.encode(), piece=64)
    assert why in bad.problem
    assert (good.number, good.problem) == (2, "")


def test_bytes_that_are_no_text_say_so() -> None:
    bad, good = lines(b'\xff\xfd\n{"prompt": "good"}')
    assert "UTF-8" in bad.problem
    assert not good.problem


def test_a_template_takes_the_columns_of_each_line_and_computes_nothing() -> None:
    rules = Rules(
        template="Look at {{host}}: {{ log }} {host} {{host.__class__}}", max_message_bytes=100, max_line_bytes=999
    )
    (line,) = lines(b'{"host": "web-1", "log": {"a": 1}, "host.__class__": "x"}', rules=rules)
    assert line.messages[0]["text"] == 'Look at web-1: {"a": 1} {host} x'
    (missing,) = lines(b'{"host": "web-1", "log": "{{host}}"}', rules=rules)
    assert "host.__class__" in missing.problem


def test_csv_has_quoted_line_ends_and_a_byte_order_mark() -> None:
    data = '\ufeffcustom_id,prompt\r\na,"two\r\nlines, ""quoted"""\r\n\r\nb,plain\r\n'.encode()
    first, second = lines(data, "csv")
    assert (first.custom_id, first.messages[0]["text"]) == ("a", 'two\r\nlines, "quoted"')
    assert (second.number, second.custom_id) == (2, "b")


def test_a_csv_line_with_other_columns_is_invalid_alone() -> None:
    bad, good = lines(b"custom_id,prompt\na\nb,fine\n", "csv")
    assert "1 cells; the header 2" in bad.problem
    assert good.messages[0]["text"] == "fine"


@pytest.mark.parametrize("data", [b"", b"a,a\nb,c", b"a,\n1,2", b'a,b\n"unfinished', b"a\n\xff"])
def test_a_file_that_is_no_csv_is_refused_whole(data: bytes) -> None:
    with pytest.raises(BadFile):
        lines(data, "csv")


def test_a_json_list_becomes_items_however_the_file_is_cut() -> None:
    data = b"\xef\xbb\xbf" + json.dumps([{"custom_id": "a", "prompt": "one"}, "no", {"prompt": "ä"}]).encode()
    for piece in (3, 5, 1_000):
        first, bad, last = lines(data, "json", piece=piece)
        assert (first.custom_id, first.messages) == ("a", [{"role": "user", "text": "one"}])
        assert bad.problem == "The line is not a JSON object."
        assert (last.number, last.messages[0]["text"]) == (3, "ä")


@pytest.mark.parametrize("data", [b"", b"{}", b"5", b"[1,", b'[{"a": NaN}]', b"[] x", b'[{"a": "\xff"}]', b"nonsense"])
def test_a_file_that_is_no_json_list_is_refused_whole(data: bytes) -> None:
    with pytest.raises(BadFile):
        lines(data, "json")


def test_a_json_list_nested_without_end_is_refused_before_it_is_built() -> None:
    deep = b'[{"prompt": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]"
    with pytest.raises(BadFile, match="nested deeper"):
        lines(deep, "json", piece=4_096)


def test_an_object_of_a_json_list_that_is_far_too_long_ends_the_file_before_all_of_it_is_read() -> None:
    rules = Rules(max_message_bytes=100, max_line_bytes=5_000)
    good = b'{"prompt": "good"},' * 5_000
    assert len(lines(b"[" + good + b'{"prompt": "last"}]', "json", rules, piece=4_096)) == 5_001
    given = 0

    def pieces() -> Iterator[bytes]:
        nonlocal given
        for piece in [b"[" + good + b'{"prompt": "', *[b"x" * 4_096] * 1_000, b'"}]']:
            given += 1
            yield piece

    with pytest.raises(BadFile, match="An object of the list is too long"):
        list(read(pieces(), "json", rules))
    assert given < 100


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (r'{"prompt": "hello", "\ud800x": 1}', "\ufffdx: It has half a surrogate pair, which is not a character."),
        (r'{"prompt": "hello", "\u0000x": 1}', "\ufffdx: It has a NUL character."),
        (r'{"prompt": "hel\u0000lo"}', "prompt: It has a NUL character."),
        ('{"prompt": "hello", "x": 1e999}', "x: It is not a finite number."),
        ('{"prompt": "hello", "x": NaN}', "x: It is not a finite number."),
        ('{"prompt": "hello", "x": ' + "[" * 950 + "]" * 950 + "}", "The line is nested deeper than 50."),
        ("[" * 100_000, "The line is not JSON"),
    ],
)
@pytest.mark.parametrize("template", ["", "say {{x}}"])
def test_text_that_no_row_can_hold_spoils_its_line_alone(line: str, reason: str, template: str) -> None:
    rules = Rules(template=template, max_message_bytes=1_000, max_line_bytes=1_000_000)
    bad, good = lines(
        line.encode() + b'\n{"prompt": "good", "x": 1}'.replace(b', "x": 1' if not template else b"\0", b""),
        rules=rules,
    )
    assert bad.problem.startswith(reason)
    assert not good.problem


def test_a_nul_in_a_csv_header_is_refused_by_the_number_of_its_column() -> None:
    with pytest.raises(BadFile) as bad:
        lines(b"prompt,a\0b\nhello,1\n", "csv")
    assert str(bad.value) == "The name of column 2: It has a NUL character."


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('[{"prompt": "grüße"}]'.encode("latin-1"), f"The file is not UTF-8: {CURE}."),
        (b'[{"prompt": "x",}]', "The file is not JSON: parse error: invalid object key (must be a string)"),
        (b"[1", "The file is not JSON: parse error: premature EOF"),
    ],
)
def test_a_list_that_is_no_json_says_what_is_wrong_in_words(data: bytes, reason: str) -> None:
    with pytest.raises(BadFile) as bad:
        lines(data, "json")
    assert str(bad.value) == reason
