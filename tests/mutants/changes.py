"""Changes to one function, class or assignment of a file, found in the syntax tree.

Docstrings, comments, layout and unrelated lines may be reworded freely. A change that no longer applies exactly once
raises NotFound.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass


class NotFound(Exception):
    """The place to change is not there, or there more than once."""


@dataclass(frozen=True, slots=True)
class Body:
    """The whole body of the function becomes ``by``."""

    by: str

    def apply(self, scope: ast.AST) -> int:
        """Change the scope in place; return how many places were changed, as in all changes."""
        scope.body = ast.parse(self.by).body  # type: ignore[attr-defined]
        return 1


@dataclass(frozen=True, slots=True)
class Begin:
    """The function begins with the statement ``by``."""

    by: str

    def apply(self, scope: ast.AST) -> int:
        scope.body[:0] = ast.parse(self.by).body  # type: ignore[attr-defined]
        return 1


@dataclass(frozen=True, slots=True)
class Call:
    """The call of ``name`` (a function, or a method of any object), whatever its arguments, becomes ``by``."""

    name: str
    by: str = "None"

    def apply(self, scope: ast.AST) -> int:
        return _replace(scope, lambda node: _called(node) == self.name, self.by)


@dataclass(frozen=True, slots=True)
class Expression:
    """The expression ``text`` becomes ``by``."""

    text: str
    by: str = "False"

    def apply(self, scope: ast.AST) -> int:
        wanted = ast.dump(_expression(self.text))
        return _replace(scope, lambda node: ast.dump(node) == wanted, self.by)


@dataclass(frozen=True, slots=True)
class Keyword:
    """The keyword argument ``name`` in a call of ``call`` becomes ``by``; without ``by`` it is dropped."""

    call: str
    name: str
    by: str = ""

    def apply(self, scope: ast.AST) -> int:
        found = 0
        for node in ast.walk(scope):
            if not isinstance(node, ast.Call) or _called(node) != self.call:
                continue
            for keyword in [keyword for keyword in node.keywords if keyword.arg == self.name]:
                found += 1
                if self.by:
                    keyword.value = _expression(self.by)
                else:
                    node.keywords.remove(keyword)
        return found


@dataclass(frozen=True, slots=True)
class Entry:
    """The value of ``key`` in a dictionary becomes ``by``; without ``by`` the entry is dropped."""

    key: str
    by: str = ""

    def apply(self, scope: ast.AST) -> int:
        found = 0
        for node in (node for node in ast.walk(scope) if isinstance(node, ast.Dict)):
            at = [n for n, key in enumerate(node.keys) if isinstance(key, ast.Constant) and key.value == self.key]
            for n in at:
                found += 1
                if self.by:
                    node.values[n] = _expression(self.by)
                else:
                    del node.keys[n], node.values[n]
        return found


Change = Body | Begin | Call | Expression | Keyword | Entry


def changed(source: str, *, scope: str, change: Change) -> str:
    """Return the source with the change made inside ``scope``, such as ``Leases._watch``; raises NotFound."""
    tree = ast.parse(source)
    scopes = list(_scopes(tree, scope))
    if len(scopes) != 1:
        raise NotFound(f"{scope} is there {len(scopes)} times")
    places = change.apply(scopes[0])
    if places != 1:
        raise NotFound(f"{change} applies {places} times in {scope}")
    return ast.unparse(ast.fix_missing_locations(tree))


def _scopes(tree: ast.Module | ast.ClassDef, scope: str) -> Iterator[ast.AST]:
    """Yield what has this qualified name: functions, classes, and assignments to it."""
    first, _, rest = scope.partition(".")
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) if name == first and rest:
                yield from _scopes(node, rest)
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name == scope:
                    yield node
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                if name == scope:
                    yield node


def _called(node: ast.AST) -> str:
    """Return the last part of the name of what is called; nothing when the node is no call of a name."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name
    return ""


def _expression(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _replace(scope: ast.AST, wanted: Callable[[ast.AST], bool], by: str) -> int:
    """Replace the expressions that are wanted; return how many there were."""
    found = 0

    class Replacing(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            nonlocal found
            if isinstance(node, ast.expr) and wanted(node):
                found += 1
                return _expression(by)
            return self.generic_visit(node)

    Replacing().visit(scope)
    return found
