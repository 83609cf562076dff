"""Values that no caller should send, and every call of the API to send them to, as the OpenAPI document lists them."""

from __future__ import annotations

import copy
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import get_resolver
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies as st

MARK = "put a literal here: "


class Literal(str):
    """JSON text that no Python value is written as, such as 1e999."""


def nested(levels: int, opening: str, closing: str) -> Literal:
    return Literal(opening * levels + "1" + closing * levels)


BROKEN: list[Any] = [
    "\0",
    "before\0after",
    "\ud800",
    "x\udfff",
    {"a\0": 1},
    {"\ud800": 1},
    {"a": [{"b": "\0"}]},
    *map(Literal, ("1e999", "-1e999", "NaN", "Infinity", "-Infinity", "1" + "0" * 400, "1" + "0" * 5_000)),
    [Literal("1e999")],
    {"a": Literal("NaN")},
    *(nested(levels, *pair) for levels in (15, 30, 1_000) for pair in (("[", "]"), ('{"a":', "}"))),
]
ODD: list[Any] = [
    2**63,
    -1,
    0.5,
    " ",
    "\n",
    "é" * 40_000,
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    None,
    True,
    [],
    {},
]
BODIES = [
    b"",
    b"\xff\xfe",
    b'{"message": "\xc3\x28"}',
    b"\x00",
    b"[" * 60_000,
    b'{"a":' * 10_000,
    b'{"a": 1, "a": 2}',
    b"null",
    b"[]",
    b'"\\ud800"',
    b"1e999",
]
TEXTS = ["%00", "a%00b", "%0A", "%ff", "%ed%a0%80", "x%0Ay", "%F0%9F%98%80", "9" * 400, "-1", "1e999", "NaN", "", "%25"]
"""For paths and queries, percent-encoded."""
WHOLE: dict[str, list[Any]] = {
    "POST /api/schedules/": [
        {"name": "a", "every_s": 3_600, "batch": {"items": [{"prompt": "x"}], "response_schema": {"const": 1}}},
        {"name": "a", "at": "2100-01-01T00:00:00Z", "message": "x", "ends_at": "2101-01-01T00:00:00Z"},
    ],
    "POST /api/batches/": [{"items": [{"x": 1}], "template": "say {{x}}", "response_schema": {"default": [1]}}],
    "POST /api/people/": [{"username": "ann", "email": "a@example.org", "password": "correct-horse", "groups": []}],
    "PATCH /api/people/{id}/": [{"first_name": "Ann", "email": "a@example.org", "is_active": True, "groups": []}],
    "PATCH /api/conversations/{id}/": [{"title": "a"}, {"pinned": True}],
    "POST /api/runs/{id}/feedback/": [{"value": "down", "reason": "a"}],
    "POST /api/mcp-servers/test/": [{"name": "a", "url": "https://a.example.org"}],
    "POST /api/runs/cancel/": [{"ids": [str(uuid.uuid4())]}, {"state": "queued", "conversation": str(uuid.uuid4())}],
}
"""Bodies that exclude each other, which a schema cannot tell, and those that reach deeper than an example."""
HEADER_VALUES = [
    *("\x01", "\x7f", "\xff", "x" * 5_000, "1-1", "9" * 20 + "-" + "9" * 20, "1e999", "a\tb"),
    *("\\000", "a" * 32 + "\\000", "\\330", "utf-16", "utf-7", "base64", "rot13", "idna", "punycode", "undefined"),
]
"""Among them octal escapes, which a cookie may have, and names of codecs, which are no character sets."""


def written(value: Any) -> bytes:
    """Return a value as JSON, with its literals as they are."""

    def marked(one: Any) -> Any:
        if isinstance(one, Literal):
            return MARK + one
        if isinstance(one, dict):
            return {name: marked(inner) for name, inner in one.items()}
        return [marked(inner) for inner in one] if isinstance(one, list) else one

    text = json.dumps(marked(value))
    while MARK in text:
        before, _, after = text.partition(f'"{MARK}')
        literal = after.replace('\\"', "\0").partition('"')[0]
        text = before + literal.replace("\0", '"') + after[len(literal.replace("\0", '\\"')) + 1 :]
    return text.encode()


VARIES = re.compile(r"<[^>]*>|\(\?P<[^)]*\)")
PARAMETERS = [
    *("q", "p", "o", "all", "next", "state", "after", "older", "username", "password", "name", "action", "id__exact"),
    *("before", "at", "run"),
    *("is_active__exact", "_changelist_filters", "_popup", "_to_field", "app_label", "model_name", "field_name"),
    "term",
]
"""Names of our own pages and of Django's administration, as parameters and as fields of forms."""


@dataclass(frozen=True)
class Call:
    """One operation of the OpenAPI document."""

    method: str
    path: str
    operation: Any
    components: Any

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"

    def parameters(self, place: str) -> list[str]:
        return [one["name"] for one in self.operation.get("parameters", []) if one["in"] == place]

    @property
    def body(self) -> Any:
        """The schema of its JSON body; None when it takes none."""
        content = self.operation.get("requestBody", {}).get("content", {})
        return self.resolved(content["application/json"]["schema"]) if "application/json" in content else None

    @property
    def examples(self) -> list[Any]:
        """Bodies that it takes: those of the document and of this file, or one made of its schema."""
        content = self.operation["requestBody"]["content"]["application/json"]
        examples = [one["value"] for one in content.get("examples", {}).values()]
        return [*examples, *WHOLE.get(str(self), [])] or [self.plausible(self.body)]

    def resolved(self, schema: Any) -> Any:
        """Return a schema with its references followed."""
        while "$ref" in schema or "allOf" in schema:
            schema = self.components[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema["allOf"][0]
        return schema

    def plausible(self, schema: Any) -> Any:
        """Return a value of a schema's kind."""
        schema = self.resolved(schema)
        if "enum" in schema:
            return schema["enum"][0]
        for choice in ("oneOf", "anyOf"):
            if choice in schema:
                return self.plausible(schema[choice][0])
        kind = schema.get("type", "object")
        kind = kind[0] if isinstance(kind, list) else kind
        if kind == "object":
            made = {name: self.plausible(inner) for name, inner in schema.get("properties", {}).items()}
            return made or {"prompt": "a text", "const": 1}
        if kind == "array":
            return [self.plausible(schema.get("items", {"type": "string"}))]
        if kind == "string":
            formats = {"uuid": str(uuid.uuid4()), "date-time": "2030-01-01T00:00:00Z", "email": "a@example.org"}
            return formats.get(schema.get("format", ""), "a text")
        return {"integer": max(schema.get("minimum", 1), 1), "number": 1.0, "boolean": True}[kind]


def calls() -> Iterator[Call]:
    document: Any = SchemaGenerator().get_schema(request=None, public=True)
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield Call(method, path, operation, document["components"]["schemas"])


@st.composite
def bodies(draw: st.DrawFn, call: Call) -> bytes:
    """Draw a body of which one value is hostile."""
    body = copy.deepcopy(draw(st.sampled_from(call.examples)))
    fields, here = call.plausible(call.body), ()
    if isinstance(fields, list):  # of rows
        fields, here = fields[0], (0,)
    known = body[0] if here else body
    places = [*_ways(body, ()), *((*here, name) for name in {**fields, "unknown": None} if name not in known)]
    *way, last = draw(st.sampled_from([place for place in places if place]))
    inner = body
    for step in way:
        inner = inner[step]
    inner[last] = draw(st.sampled_from(BROKEN) | st.sampled_from(ODD))
    return written(body)


@st.composite
def heads(draw: st.DrawFn, call: Call) -> tuple[str, dict[str, str], bytes]:
    """Draw (path with query, headers, body), of which one is hostile."""
    places = ["query", "header", "path" if call.parameters("path") else "query", "body"]
    place = draw(st.sampled_from(places))
    path = call.path
    for name in call.parameters("path"):
        value = draw(st.sampled_from(TEXTS)) if place == "path" else str(uuid.uuid4())
        path = path.replace("{" + name + "}", value)
    if place == "query":
        name = draw(st.sampled_from([*call.parameters("query"), "unknown", "%00"]))
        path += f"?{name}={draw(st.sampled_from(TEXTS))}"
    headers = {}
    if place == "header":
        names = [*call.parameters("header"), "Last-Event-ID", "Cookie", "Accept", "Content-Type", "X-Anything"]
        name = draw(st.sampled_from(names))
        forms = {"Cookie": 'aiops_session="{}"', "Content-Type": "application/json; charset={}"}
        headers[name] = forms.get(name, "{}").format(draw(st.sampled_from(HEADER_VALUES)))
    body = b""
    if place == "body":
        body = draw(st.sampled_from(BODIES))
    elif call.body is not None:
        body = written(call.examples[0])
    return path, headers, body


def _ways(value: Any, here: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """Yield the place of a value and of each one inside it."""
    yield here
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in inside:
        yield from _ways(inner, (*here, step))


def paths(patterns: Any = None, before: str = "/") -> Iterator[str]:
    """Yield every path of the URL configuration, with ``{}`` where something varies."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        here = before + VARIES.sub("{}", str(pattern.pattern)).strip("^$")
        inside = getattr(pattern, "url_patterns", None)
        if inside is None:
            yield here
        else:
            yield from paths(inside, here)


@st.composite
def visits(draw: st.DrawFn, path: str) -> tuple[str, str, dict[str, str]]:
    """Draw (method, path with query, form) of a visit to a page."""
    texts = st.sampled_from(TEXTS)
    place = path.replace("{}", "%s") % tuple(draw(texts) for _ in range(path.count("{}")))
    query = f"?{draw(st.sampled_from(PARAMETERS))}={draw(texts)}" if draw(st.booleans()) else ""
    form = draw(st.dictionaries(st.sampled_from(PARAMETERS), st.sampled_from(["\0", "a\0b", "\ufffd", "9" * 400])))
    return draw(st.sampled_from(["GET", "POST"])), place + query, form
