"""Tables as spreadsheets and ticket systems write them: separators, quotes, blank rows, encodings, errors."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as some

from aiops.batches.reading import source
from aiops.batches.reading.lines import read
from aiops.batches.reading.values import BadFile, Line, Rules

TEMPLATE = "{{Issue key}}: {{a/b}}"


def lines(data: bytes, *, piece: int = 7, most: int = 1_000, **rules: object) -> list[Line]:
    made = Rules(**{"max_message_bytes": 1_000, "max_line_bytes": most, **rules})  # type: ignore[arg-type]
    return list(read([data[i : i + piece] for i in range(0, len(data), piece)], "csv", made))


def texts(found: list[Line]) -> list[str]:
    return [line.messages[0]["text"] if not line.problem else f"! {line.problem}" for line in found]


def problem(data: bytes, **rules: object) -> str:
    with pytest.raises(BadFile) as bad:
        lines(data, **rules)
    return str(bad.value)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_table_is_read_whatever_it_is_separated_ended_and_encoded_by(separator: str, end: str, encoding: str) -> None:
    rows = ["Issue key;a/b", 'K-1;"grüße; auf,\tzwei' + end + 'Zeilen"', ";", "", "K-2;ok"]
    data = end.join(row if row.startswith("K-1") else row.replace(";", separator) for row in rows)
    data = data.replace("K-1;", f"K-1{separator}")
    assert texts(lines(data.encode(encoding), template=TEMPLATE)) == [f"K-1: grüße; auf,\tzwei{end}Zeilen", "K-2: ok"]


def test_the_separator_that_excel_names_is_obeyed() -> None:
    assert texts(lines(b"sep=;\r\nprompt;custom_id\r\na,b;1\r\n")) == ["a,b"]
    assert texts(lines(b'"sep=|"\r\nprompt|custom_id\r\na,b;c|1\r\n')) == ["a,b;c"]


@pytest.mark.parametrize("separator", ["\0", "\x07", "\r", '"', "é"])
def test_a_separator_that_nothing_can_be_separated_by_breaks_nothing(separator: str) -> None:
    with pytest.raises(BadFile, match=r"no column 'prompt'|The name of column"):
        lines(f"sep={separator}\nhost\na\n".encode())


def test_texts_with_many_commas_do_not_make_the_comma_the_separator() -> None:
    data = b"Kurztext, lang, kurz;Issue key;a/b\nx, y;K-1;1, 2, 3, 4\nz;K-2;5\n"
    assert texts(lines(data, template=TEMPLATE)) == ["K-1: 1, 2, 3, 4", "K-2: 5"]


def test_another_encoding_is_read_when_it_is_named_and_offered_when_it_is_not() -> None:
    data = "prompt\r\nGrüße aus Köln, „ja“\r\n".replace(",", ";").encode("windows-1252")
    assert texts(lines(data.replace(b";", b""), encoding="windows-1252")) == ["Grüße aus Köln „ja“"]
    assert problem(data) == f"Line 2: the file is not UTF-8: {source.CURE}."
    assert "begins with the mark of UTF-8, not of cp1252" in problem(b"\xef\xbb\xbfprompt\na", encoding="cp1252")
    assert "UTF-32" in problem("prompt\na".encode("utf-32"))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("Export vom 25.11.;;\r\nprompt;host;os\r\na;b;c\r\n", "has only 'Export vom 25.11.': if that is a title"),
        ("Open incidents\nprompt,host\na,b\nc,d\n", "has only 'Open incidents': if that is a title"),
        ("prompt,host,\na,b,\n", "ends with a comma too many, so column 3 has no name"),
        ("prompt;;host\na;;b\n", "Column 2 has no name"),
        ("prompt,Status,x,Status\na,b,c,d\n", "The name 'Status' is that of the columns 2, 4: rename all but one."),
        ("host,os\na,b\n", "no column 'prompt': give a template that makes prompts of its columns. It has: host, os."),
        ("prompt,host\na,b\n", "There is no such field: host. (Columns need a template.)"),
        ("\n\n,,\n", "The file has no lines."),
        ("", "The file has no lines."),
    ],
)
def test_what_is_wrong_with_the_first_line_is_named(data: str, says: str) -> None:
    assert says in problem(data.encode())


def test_a_template_that_names_no_column_is_refused_with_the_columns_there_are() -> None:
    said = problem(b"host,os\na,b\n", template="{{Short description}} of {{host}}")
    assert said == "The file has no column 'Short description'. It has: host, os."


def test_columns_are_data_unless_they_are_asked_for() -> None:
    data = b"model,custom_id,text\nThinkPad,1,broken\nThinkPad,1,slow\n"
    first, second = lines(data, template="{{model}}: {{text}}")
    assert (first.custom_id, first.options, texts([first])) == ("1", {}, ["ThinkPad: broken"])
    assert second.custom_id == "2"
    first, _ = lines(data, template="{{text}}", columns={"custom_id": "text", "model": "model"})
    assert (first.custom_id, first.options) == ("broken", {"model": "ThinkPad"})
    assert "no column 'nummer'" in problem(data, template="{{text}}", columns={"custom_id": "nummer"})


def test_without_a_template_the_columns_are_the_fields_of_lines() -> None:
    first, second = lines(b"custom_id,prompt,model\na,one,m\n,two,\n")
    assert (first.custom_id, first.options, second.custom_id, second.options) == ("a", {"model": "m"}, "2", {})
    (line,) = lines(b"Key,prompt\nK-1,one\n", columns={"custom_id": "Key"})
    assert (line.custom_id, texts([line])) == ("K-1", ["one"])


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["a,b,c"], ["! The line has 3 cells; the header 2: put texts that contain a comma in quotes."]),
        (["a,b,"], ["! The line has 3 cells; the header 2: it ends with a comma too many."]),
        (["a"], ["! The line has 1 cells; the header 2."]),
        (['"a" b,c', "d,e"], ["! Line 2 of the file is not CSV: ',' expected after '\"'.", "d"]),
        (['"open,b', "d,e", "f,g"], ["! Line 2 of the file is not CSV: unexpected end of data.", "d", "f"]),
        (['"open,b', "d,e", '"f" x,g', "h,i"], None),
        (["a,b", "c,\udcff"], None),
    ],
)
def test_a_bad_row_is_spoiled_alone(rows: list[str], expected: list[str] | None) -> None:
    data = "\n".join(["prompt,custom_id", *rows, "last,z"]).encode("utf-8", "surrogateescape")
    if any("\udcff" in row for row in rows):
        assert "is not UTF-8" in problem(data)
        return
    found = texts(lines(data))
    assert found[-1] == "last"
    if expected is not None:
        assert found[:-1] == expected
    else:
        assert sum(text.startswith("! ") for text in found) == 2
        assert "d" in found


def test_a_quote_that_is_never_closed_is_given_up_after_the_longest_row() -> None:
    rows = b"".join(b"row %d,%d\n" % (n, n) for n in range(300))
    found = texts(lines(b'prompt,custom_id\n"open,x\n' + rows, most=500))
    assert found[0] == "! Line 2 of the file is not CSV: a quote is not closed within 500 characters."
    assert found[1:] == [f"row {n}" for n in range(300)]


def test_a_file_of_quotes_that_break_their_rows_is_read_about_twice_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiops.batches.reading.tables.AGAIN_CHARACTERS", 1_000)
    rows = b"".join(b'a","b\n' for _ in range(5_000))
    found = lines(b"prompt,custom_id\n" + rows, piece=4_096, most=2_000)
    assert all("is not CSV" in line.problem for line in found)
    assert len(found) < 1_000, "each line was read again for itself"


@pytest.mark.parametrize("name", ["windows-1252", "ISO-8859-1", "cp850", "latin1", "shift_jis", "UTF-16", "utf8"])
def test_an_encoding_may_be_named_by_any_of_its_names(name: str) -> None:
    assert source.canonical(name)


@pytest.mark.parametrize("name", ["", "rot13", "idna", "unicode_escape", "zip", "utf-7", "nonsense", "a\0b", "mbcs"])
def test_what_is_no_encoding_of_files_cannot_be_named(name: str) -> None:
    assert not source.canonical(name)


# without \r, which Python 3.11 and 3.12 write without quotes
cells = some.text(some.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1, max_size=20)


@given(
    table=some.integers(2, 4).flatmap(lambda n: some.lists(some.lists(cells, min_size=n, max_size=n), max_size=6)),
    separator=some.sampled_from(",;\t"),
    quoting=some.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    end=some.sampled_from(["\n", "\r\n"]),
    encoding=some.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "gb18030"]),
    piece=some.integers(1, 40),
)
def test_what_python_writes_as_csv_is_read_back(
    table: list[list[str]], separator: str, quoting: int, end: str, encoding: str, piece: int
) -> None:
    width = len(table[0]) if table else 2
    names = [f"column {n}" for n in range(width)]
    written = io.StringIO(newline="")
    csv.writer(written, delimiter=separator, quoting=quoting, lineterminator=end).writerows([names, *table])
    template = "|".join(f"{{{{{name}}}}}" for name in names)
    named = encoding if encoding == "gb18030" else ""
    found = lines(written.getvalue().encode(encoding), piece=piece, template=template, encoding=named)
    shown = [row for row in table if any(cell.strip() for cell in row)]
    assert texts(found) == ["|".join(row) for row in shown]
