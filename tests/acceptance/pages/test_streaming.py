"""What a browser paints while an answer grows: never a thing that the finished answer does not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.pages.asking import Open, do

ANSWER = """## Status of host

The alpha words consetetur sadipscing elitr, sed **strong** diam.

Items:
- ITEM one is here
- ITEM two is there

| HEAD | HEAD |
| --- | --- |
| CELL | CELL |
| CELL | CELL |

```sh
CODE first | line
# CODE second
CODE third
```

### Last part

The omega words end here.
"""
RECORD = """
window.painted = [];
new MutationObserver(() => {
  const answer = [...document.querySelectorAll(".answer")].at(-1);
  if (!answer) return;
  const walk = document.createTreeWalker(answer, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walk.nextNode()) {
    if (walk.currentNode.parentElement.closest(".code-head")) continue; // the page's, not the answer's
    const block = walk.currentNode.parentElement.closest("pre, th, td, li, h1, h2, h3, h4, p, .raw, .answer");
    if (walk.currentNode.data.trim()) texts.push([block.tagName, block.textContent]);
  }
  const said = answer.cloneNode(true);
  said.querySelectorAll(".code-head").forEach((head) => head.remove());
  window.painted.push({ texts, all: said.textContent });
}).observe(document.getElementById("turns"), { subtree: true, childList: true, characterData: true });
"""
NEVER_OVERDUE = "performance.now = () => 0;"
"""Words are shown as they are when the server does not come to rendering them, as on a busy machine."""
WHERE = {"HEAD": "TH", "CELL": "TD", "CODE": "PRE", "ITEM": "LI", "words": "P"}
HEADINGS = ("Status of host", "Last part")


def pieces(size: int) -> list[str]:
    return [ANSWER[at : at + size] for at in range(0, len(ANSWER), size)]


def wrong(painted: list[dict[str, Any]]) -> Iterator[str]:
    final = set(re.findall(r"\S+", painted[-1]["all"]))
    for moment in painted:
        for block, text in moment["texts"]:
            for word, home in WHERE.items():
                if word in text and block != home:
                    yield f"{word} in {block}: {text!r}"
            if block in ("H1", "H2", "H3", "H4") and not any(h.startswith(text.strip()) for h in HEADINGS):
                yield f"{text!r} as a heading"
            if block != "PRE" and re.search(r"[|#`]|\*\*|---", text):
                yield f"raw Markdown in {block}: {text!r}"
        joined = {w for w in re.findall(r"\S+", moment["all"])[:-1] if w not in final and w.isalpha()}
        yield from (f"{word!r} was never said" for word in joined)


@pytest.mark.parametrize("size", [1, 3, 11])
def test_a_growing_answer_is_never_painted_as_something_else(browse: Open, size: int) -> None:
    page = browse()
    page.driver.execute_script(NEVER_OVERDUE + RECORD)
    page.ask(do("stream", pieces=pieces(size), pause=0.12 / 11 * size))
    page.ended()
    painted = page.driver.execute_script("return window.painted")
    assert len(painted) > 10
    assert sorted(set(wrong(painted))) == []
    assert page.text(".answer h2") == "Status of host"
    assert page.errors() == []


def test_words_before_a_long_pause_are_rendered_in_it(browse: Open) -> None:
    page = browse()
    page.ask(do("pause", pieces=["| HEAD |\n|---|\n", "| CELL |\n", "| LAST |\n", "after"], pause=1))
    page.until(lambda: page.texts(".answer td") == ["CELL", "LAST"], "the rows")
    assert page.states() == ["running"]
    page.until(lambda: page.states() != ["running"], "the end")
    assert page.states() == ["succeeded"], page.text(".turn")


def test_an_answer_that_is_too_long_to_be_rendered_live_grows_as_it_is_written(browse: Open) -> None:
    page = browse()
    page.ask(do("long", words=100, longer=400, pause=0.05))
    page.until(lambda: re.search(r"w9\dx", page.text(".answer > .raw")), "the words as they are")
    page.ended()
    assert page.all(".answer .raw") == []
    assert re.findall(r"w\d+(?=x)", page.text(".answer")) == [f"w{n}" for n in range(100)]


def test_what_a_model_thinks_is_shown_until_it_answers(browse: Open) -> None:
    page = browse()
    page.ask(
        do("think", thinking=["Look at the <b>disks</b>, ", "then at the load."], pieces=["All ", "well."], pause=0.7)
    )
    page.until(lambda: "Thinking: Look at the <b>disks</b>, then at the load." in page.text(".status"), "the thought")
    page.ended()
    assert page.text(".answer") == "All well."
    assert page.text(".status") == ""
    assert page.errors() == []


def test_an_answer_that_was_cut_says_so_beside_it(browse: Open) -> None:
    page = browse()
    page.ask(do("cut", words=5, finish="length"))
    page.ended()
    assert "The answer ends where the limit of tokens was reached (length)" in page.text(".notices")
    assert "w4" in page.text(".answer")
