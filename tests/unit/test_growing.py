"""However the model's words are cut, a growing answer is never painted as something that it is not."""

from __future__ import annotations

import re

import pytest

from aiops.web import growing, markdown

ANSWER = """## Status of the host

Items:
- **alpha** is up, use `df -h` to see
- beta is *down* now

1. first of them
2. second of them

| CELL | CELL |
| --- | :---: |
| CELL | CELL **CELL** |

```sh
CODE | CODE
- CODE
# CODE `CODE`
```

> quoted words

The end, [a link](https://x.example/) and ~~old~~ words.
"""


@pytest.mark.parametrize("end", range(1, len(ANSWER) + 1))
def test_no_beginning_of_an_answer_is_painted_wrong(end: int) -> None:
    text = ANSWER[:end]
    part = growing.split(text)
    html = markdown.render(part.text, growing=True)
    outside_code = re.sub(r"<pre>.*?</pre>|<code>.*?</code>", "", html, flags=re.DOTALL)
    words = re.sub(r"<[^>]+>", "", outside_code)
    assert "|" not in words
    assert "#" not in words
    assert "**" not in words
    assert "`" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert "CODE" not in words
    assert "CELL" not in re.sub(r"<t[hd][^>]*>.*?</t[hd]>", "", outside_code)
    assert set(re.findall(r"<h\d>(.*?)</h\d>", html)) <= {"Status of the host"[:n].strip() for n in range(30)}
    assert "Items" not in "".join(re.findall(r"<h\d>.*?</h\d>", html))
    assert len(part.unrendered) < 40
    assert text.endswith(part.unrendered)


def test_text_that_may_continue_its_last_block_is_recognised() -> None:
    for text in ("Some words", "Some words ", "- an item", "# A head", "> a quote", "a\n\nb"):
        assert growing.split(text).continues, text
    for text in ("words\n", "- ", "#", "**bo", "`co", "| a", "```\ncode", "1.", "```sh", "[a]: b", "a\n=="):
        assert not growing.split(text).continues, text


@pytest.mark.parametrize(
    ("text", "rendered", "unrendered"),
    [
        ("a **bo", "a **bo**", ""),
        ("a **bold*", "a **bold**", ""),
        ("a **", "a ", "**"),
        ("see `df", "see `df`", ""),
        ("| a | b |\n", "", "| a | b |\n"),
        ("x\n\n| a |\n| --", "x\n\n", "| a |\n| --"),
        ("| a |\n|---|\n", "| a |\n|---|\n", ""),
        ("```\na **b", "```\na **b", ""),
        ("```\na\n``", "```\na\n", "``"),
        ("```sh", "```sh", ""),
        ("2 * 3 = 6", "2 * 3 = 6", ""),
    ],
)
def test_open_markdown_at_the_end_of_a_growing_answer_is_closed_or_held_back(
    text: str, rendered: str, unrendered: str
) -> None:
    part = growing.split(text)
    assert (part.text, part.unrendered) == (rendered, unrendered)
