"""The layout of features: doors → domain → floor, no door knows another feature's door, middleware is tested."""

from __future__ import annotations

from pathlib import Path

import grimp
import pytest

from aiops.apps import features

ROOT = Path(__file__).parents[2]
DOORS = {"api", "pages", "cli", "jobs", "admin", "apps"}
OF_DOORS = DOORS | {"shapes", "uploads", "streams", "outputs"}
"""Doors, and what belongs to one."""
FRAME = {"web", "terminal"}
FEATURES = {path.name for path in (ROOT / "aiops").iterdir() if (path / "apps.py").exists()} - FRAME
GRAPH = grimp.build_graph("aiops", cache_dir=None)


def parts(module: str) -> tuple[str, str]:
    """Return (feature, module inside it); both may be empty."""
    _, feature, inside, *_ = [*module.split("."), "", ""]
    return feature, inside


def imports() -> list[tuple[str, str]]:
    return [
        (importer, imported)
        for importer in sorted(GRAPH.modules)
        for imported in sorted(GRAPH.find_modules_directly_imported_by(importer))
    ]


def test_domain_modules_import_no_door_and_no_frame() -> None:
    wrong = []
    for importer, imported in imports():
        feature, inside = parts(importer)
        if feature in FEATURES and inside not in OF_DOORS:
            other, what = parts(imported)
            if other in FRAME or (other in FEATURES and what in OF_DOORS):
                wrong.append(f"{importer} -> {imported}")
    assert wrong == []


def test_a_door_imports_no_door_of_another_feature() -> None:
    wrong = []
    for importer, imported in imports():
        feature, inside = parts(importer)
        other, what = parts(imported)
        if feature in FEATURES and inside in DOORS and other in FEATURES - {feature} and what in DOORS:
            wrong.append(f"{importer} -> {imported}")
    assert wrong == []


@pytest.mark.parametrize("name", sorted(FEATURES | {"web"}))
def test_every_feature_that_has_a_folder_is_installed(name: str) -> None:
    assert f"aiops.{name}" in {feature.name for feature in features()}


MIDDLEWARE = sorted(path.stem for path in (ROOT / "aiops/agent/middleware").glob("[!_]*.py"))
DIRECT_TESTS = "\n".join(
    path.read_text() for folder in ("unit", "integration") for path in (ROOT / "tests" / folder).glob("test_*.py")
)


@pytest.mark.parametrize("name", MIDDLEWARE)
def test_every_middleware_has_a_direct_test(name: str) -> None:
    assert f"from aiops.agent.middleware.{name} import" in DIRECT_TESTS


CODE = [
    path
    for folder in ("aiops", "workers", "config", "tests", "scripts")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in (".py", ".js", ".css", ".html") and not {"migrations", "node_modules"} & set(path.parts)
]


def test_a_file_of_more_than_250_lines_states_its_reason_at_its_top() -> None:
    long = {path: text for path in CODE if (text := path.read_text()).count("\n") > 250}
    assert [str(path) for path, text in long.items() if "More than 250 lines: " not in text[:600]] == []


def test_no_folder_consists_of_ten_line_files() -> None:
    sizes: dict[Path, list[int]] = {}
    for path in CODE:
        if path.suffix == ".py" and path.name != "__init__.py" and "aiops" in path.parts:
            sizes.setdefault(path.parent, []).append(path.read_text().count("\n"))
    assert [
        str(folder) for folder, lines in sizes.items() if len(lines) > 2 and sorted(lines)[len(lines) // 2] <= 12
    ] == []
