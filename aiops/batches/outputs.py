"""The forms of a batch's results and errors as files: our JSONL, CSV for spreadsheets, OpenAI's output form."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aiops.batches.models import Item
from aiops.batches.shapes import ItemOut

BOM = "\ufeff"
"""Without it, Excel reads UTF-8 as the machine's old encoding."""
CELLS = ("custom_id", "state", "answer", "error", "model", "input_tokens", "output_tokens", "run")
FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""The beginning of a cell that a spreadsheet would evaluate, full-width characters included."""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the file: its media type and ending, its first text, and how items are written."""

    media_type: str
    ending: str
    begin: Callable[[], str]
    write: Callable[[Sequence[Item]], str]
    suffix: str = ""
    """Before the ending, to tell it from another form of the same ending."""


def _as_jsonl(items: Sequence[Item]) -> str:
    return _lines(ItemOut(item).data for item in items)


def _as_csv(items: Sequence[Item]) -> str:
    rows = []
    for item in items:
        shown = ItemOut(item).data
        usage = shown["usage"] or {}
        error = (shown["error"] or {}).get("detail", "")
        facts = [usage.get(name, "") for name in ("model", "input_tokens", "output_tokens")]
        rows.append([shown["custom_id"], shown["state"], shown["answer"] or "", error, *facts, shown["run"] or ""])
    return _csv(rows)


def _as_openai(items: Sequence[Item]) -> str:
    """Return lines as OpenAI's batch service writes them into its output and error files."""
    return _lines(_response(item) for item in items)


def _response(item: Item) -> dict[str, Any]:
    shown = ItemOut(item).data
    line: dict[str, Any] = {"id": f"batch_req_{item.batch_id}_{item.number}", "custom_id": shown["custom_id"]}
    if shown["answer"] is None:
        error = shown["error"] or {"code": shown["state"], "detail": f"The item is {shown['state']}."}
        return {**line, "response": None, "error": {"code": error["code"], "message": error["detail"]}}
    usage = shown["usage"] or {}
    read, written = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    message = {"role": "assistant", "content": shown["answer"], "refusal": None}
    body = {
        "id": f"chatcmpl-{shown['run']}",
        "object": "chat.completion",
        "created": int(item.run.finished_at.timestamp()) if item.run and item.run.finished_at else 0,
        "model": usage.get("model", ""),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
    }
    return {**line, "response": {"status_code": 200, "request_id": str(shown["run"]), "body": body}, "error": None}


def _lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _csv(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV, with a quote before cells that a spreadsheet would evaluate; JSONL has them unchanged."""
    text = io.StringIO()
    safe = [[f"'{cell}" if FORMULA.match(str(cell)) else cell for cell in row] for row in rows]
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows(safe)
    return text.getvalue()


FORMS = {
    "jsonl": Form("application/x-ndjson", "jsonl", str, _as_jsonl),
    "csv": Form("text/csv; charset=utf-8", "csv", lambda: BOM + _csv([CELLS]), _as_csv),
    "openai": Form("application/x-ndjson", "jsonl", str, _as_openai, suffix="-openai"),
}
"""By the names of the parameter ``as``."""
