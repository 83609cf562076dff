"""The product is packaged without a word of complaint, and its parts are in the wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import aiops

ROOT = Path(__file__).parents[2]
PACKAGES = ("aiops", "config", "workers")
BUILD = "import sys; from setuptools import build_meta; print('made', getattr(build_meta, sys.argv[1])(sys.argv[2]))"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what is packaged, for building leaves files behind."""
    made = tmp_path / "source"
    for folder in (*PACKAGES, "tests", "docs"):
        shutil.copytree(ROOT / folder, made / folder, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, made / file)
    return made


def build(source: Path, hook: str) -> zipfile.ZipFile:
    """Build as pip does, with every warning an error."""
    command = [sys.executable, "-W", "error", "-c", BUILD, hook, str(source)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    return zipfile.ZipFile(source / done.stdout.split()[-1])


def test_an_editable_installation_warns_of_nothing_and_leads_to_the_source(source: Path) -> None:
    with build(source, "build_editable") as wheel:
        (path,) = (name for name in wheel.namelist() if name.endswith(".pth"))
        assert wheel.read(path).decode().strip() == str(source)


def test_the_version_stands_in_one_place(source: Path) -> None:
    quoted = f'"{aiops.__version__}"'
    places = [ROOT / "pyproject.toml", *(p for part in PACKAGES for p in (ROOT / part).rglob("*.py"))]
    assert [str(p.relative_to(ROOT)) for p in places if quoted in p.read_text()] == ["aiops/__init__.py"]
    composed = (ROOT / "docker-compose.yml").read_text()
    assert f"aiops:${{TAG:-{aiops.__version__}}}" in composed, "it cannot ask for the version"
    place = source / "aiops/__init__.py"
    place.write_text(place.read_text().replace(quoted, '"9.8.7"'))
    with build(source, "build_wheel") as wheel:
        assert "aiops-9.8.7.dist-info/METADATA" in wheel.namelist()


def test_the_wheel_has_the_three_packages_with_their_templates_and_no_test(source: Path) -> None:
    with build(source, "build_wheel") as wheel:
        names = wheel.namelist()
    assert {name.partition("/")[0] for name in names if "dist-info" not in name} == set(PACKAGES)
    templates = {str(p.relative_to(source)) for p in (source / "aiops/web/templates").rglob("*.html")}
    assert templates <= set(names)
    assert {"aiops/monitoring/alerts.yml", "aiops/monitoring/runbook.md"} <= set(names)
