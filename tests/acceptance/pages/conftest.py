"""Browsers that are signed in, used again by test after test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.acceptance.browser import CHROMIUM, DRIVER, Page
from tests.acceptance.pages.asking import Open
from tests.acceptance.system import System
from tests.conftest import missing


@pytest.fixture(scope="session", autouse=True)
def _browser(request: pytest.FixtureRequest) -> None:
    if not (CHROMIUM and DRIVER):
        missing("Chromium with its driver (Debian: chromium, chromium-driver)")
    request.getfixturevalue("password")


@pytest.fixture(scope="session")
def signed_in() -> Iterator[dict[str, Page]]:
    """Browsers that are signed in, by what they were asked to be."""
    pages: dict[str, Page] = {}
    yield pages
    for page in pages.values():
        page.close()


@pytest.fixture
def browse(system: System, signed_in: dict[str, Page]) -> Open:
    used: list[str] = []

    def make(**options: object) -> Page:
        key = f"{sorted(options.items())}"
        used.append(key)
        key += f"#{used.count(key)}"
        if key in signed_in:
            return signed_in[key].fresh()
        signed_in[key] = Page(system, **options).sign_in()  # type: ignore[arg-type]
        return signed_in[key]

    return make
