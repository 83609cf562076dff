"""Colours code in answers, within a bounded CPU time: what takes longer is shown without colours.

The thread's own time counts, so that code doesn't lose its colours because the machine is busy with other things.

Only languages are listed whose Pygments lexers never spend long within one token. Of 8,000 hostile characters, a
token of ``console`` took Pygments 2.21 up to 1.3 s and one of ``ini`` 0.7 s, one of these at most 50 ms.
"""

from __future__ import annotations

import functools
import io
import time
from typing import Any

from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

LEXERS = {
    name: lexer
    for lexer, names in {
        "bash": "bash sh shell zsh",
        "python": "python py python3",
        "json": "json jsonc",
        "yaml": "yaml yml",
        "sql": "sql postgresql mysql",
        "toml": "toml",
        "diff": "diff patch",
        "nginx": "nginx",
        "docker": "docker dockerfile",
        "go": "go golang",
        "javascript": "javascript js",
        "html": "html",
        "xml": "xml",
        "promql": "promql",
    }.items()
    for name in names.split()
}
"""What is written after a fence → the lexer's name."""
MAX_CHARACTERS = 10_000


class Clock:
    """Seconds of CPU time that may be spent on colours."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds


def highlight(code: str, language: str, clock: Clock) -> str:
    """Return HTML of the code, in spans with classes; empty when it is to be shown without colours."""
    name = LEXERS.get(language.lower())
    if name is None or len(code) > MAX_CHARACTERS or clock.left <= 0:
        return ""
    lexer = _lexer(name)
    begun = time.thread_time()
    tokens = []
    for token in lexer.get_tokens(code):
        if time.thread_time() - begun > clock.left:
            clock.left = 0
            return ""
        tokens.append(token)
    html = io.StringIO()
    _formatter.format(iter(tokens), html)
    clock.left -= time.thread_time() - begun
    return html.getvalue()


@functools.cache
def _lexer(name: str) -> Any:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


_formatter: Any = HtmlFormatter(nowrap=True)
