"""The frame of all pages, and every page in it: both themes, narrow and wide, without a violation of axe's rules.

``SHOTS=<folder>`` saves a picture of each page (``make screenshots``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open
from tests.acceptance.pages.every_page import make_paths
from tests.acceptance.system import System
from tests.conftest import missing

AXE = Path(__file__).parents[1] / "axe"
WIDTHS = (380, 1440)
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""Rules for the dark theme: it differs from the light one, which all rules are for, in colours alone."""
REPEATED = """
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
return ids.filter((id, at) => ids.indexOf(id) !== at);
"""
RUN_AXE = """
const [options, done] = arguments;
axe.run(document, {resultTypes: ["violations"], ...options}).then((found) => done(found.violations.map(
  (one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`)));
"""


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe-core, installed with npm from its lock file."""
    script = AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        npm = shutil.which("npm") or missing("npm, which installs axe-core (Debian: npm)")
        done = subprocess.run(
            [npm, "ci", "--prefix", str(AXE), "--ignore-scripts", "--no-audit", "--no-fund"],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
    return script.read_text()


@pytest.fixture(scope="module")
def paths(system: System) -> dict[str, str]:
    return make_paths(system)


@pytest.fixture
def tidy(browse: Open) -> Iterator[None]:
    yield
    browse().driver.execute_script("localStorage.clear()")


def violations(page: Page, axe: str, *, dark: bool) -> list[str]:
    page.driver.execute_script(axe)
    page.driver.set_script_timeout(120)  # of a machine that is busy with other tests
    found: list[str] = page.driver.execute_async_script(RUN_AXE, COLOURS if dark else {})
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_its_window_and_breaks_no_rule_of_accessibility(
    browse: Open, paths: dict[str, str], axe: str, width: int, dark: bool
) -> None:
    page = browse(width=width, dark=dark, height=900)
    shots = os.environ.get("SHOTS")
    faults: dict[str, list[str]] = {}
    for name, path in paths.items():
        page.open(path)
        page.until(lambda: page.driver.execute_script("return document.readyState") == "complete", name)
        found = violations(page, axe, dark=dark)
        found += [f"two elements have the id {name}" for name in page.driver.execute_script(REPEATED)]
        if (over := page.driver.execute_script(OVERFLOW)) > 0:
            found.append(f"{over} px wider than the window")
        found += [one for one in page.errors() if "404" not in one or name != "not-found"]
        if found:
            faults[name] = found
        if shots:
            folder = Path(shots)
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(folder / f"{name}-{width}-{'dark' if dark else 'light'}.png")
    assert faults == {}, json.dumps(faults, indent=1)


def test_all_pages_have_one_navigation_that_says_where_one_is(browse: Open, paths: dict[str, str]) -> None:
    page = browse()
    seen = {}
    for name in (
        "chat",
        "runs",
        "batches",
        "schedules",
        "tools",
        "tool-servers",
        "status",
        "maintenance",
        "webhooks",
        "api",
    ):
        page.open(paths[name])
        seen[name] = page.texts(".groups a")
        assert len(page.texts(".groups a[aria-current]")) == 1, name
        assert page.text(".environment") == "LAB"
    assert len({tuple(labels) for labels in seen.values()}) == 1, seen
    assert [label.split()[0] for label in seen["chat"][:5]] == ["Chat", "Runs", "Approvals", "Batches", "Schedules"]
    assert {"Tools", "Tool servers", "Status", "Maintenance", "Admin", "API"} <= set(seen["chat"])


@pytest.mark.usefixtures("tidy")
def test_the_navigation_folds_away_and_stays_so_on_the_next_page(browse: Open) -> None:
    page = browse()
    page.open("/runs/")
    page.one(".sidebar [data-do=sidebar]").click()
    assert not page.one(".sidebar").is_displayed()
    page.open("/status/")
    assert not page.one(".sidebar").is_displayed()
    page.one(".bar [data-do=sidebar]").click()
    assert page.one(".sidebar").is_displayed()
    page.open("/")
    assert page.one(".sidebar").is_displayed()


@pytest.mark.usefixtures("tidy")
def test_on_a_narrow_screen_the_navigation_is_a_drawer(browse: Open) -> None:
    page = browse(width=380)
    page.open("/runs/")
    assert not page.one(".sidebar").is_displayed()
    page.one(".bar [data-do=sidebar]").click()
    page.until(lambda: page.one(".sidebar").is_displayed(), "the drawer")
    page.one("body").send_keys(Keys.ESCAPE)
    page.until(lambda: not page.one(".sidebar").is_displayed(), "the closed drawer")


@pytest.mark.usefixtures("tidy")
def test_a_chosen_theme_holds_on_all_pages_until_it_is_the_systems_again(browse: Open) -> None:
    page = browse()
    colour = "return getComputedStyle(document.body).backgroundColor"
    light = page.driver.execute_script(colour)
    Select(page.one("select[data-do=theme]")).select_by_visible_text("Dark")
    dark = page.driver.execute_script(colour)
    assert dark != light
    page.open("/status/")
    assert page.driver.execute_script(colour) == dark
    Select(page.one("select[data-do=theme]")).select_by_visible_text("System")
    assert page.driver.execute_script(colour) == light


def test_a_list_shows_what_is_new_without_being_loaded_again(browse: Open, system: System) -> None:
    page = browse()
    page.open("/runs/")
    page.driver.execute_script("window.stays = true")
    run = system.ask("Something new at night", {"words": 2})
    link = f'#rows a[href="/runs/{run["run"]["id"]}/"]'
    page.until(lambda: page.all(link), "the new run")
    page.until(lambda: "Succeeded" in page.text("#rows tbody tr"), "its end")
    assert page.driver.execute_script("return window.stays")
    assert "UTC" not in page.text("#rows tbody time"), "times are the reader's"


def test_a_run_can_be_cancelled_on_its_page_and_asked_again(browse: Open, system: System) -> None:
    gate = "hold-" + os.urandom(4).hex()
    run = system.ask("Take your time", {"pieces": ["first "], "gate": gate})
    page = browse()
    page.open(f"/runs/{run['run']['id']}/")
    page.until(lambda: page.all("[data-act=cancel]"), "the button")
    page.one("[data-act=cancel]").click()
    page.until(lambda: page.all("dialog[open] .primary"), "the question")
    page.one("dialog[open] .primary").click()
    page.until(lambda: "Cancelled" in page.text(".heading .state"), "the end")
    assert page.text("#toast")
    page.one("[data-act=again]").click()
    page.until(lambda: run["run"]["id"] not in page.driver.current_url, "the other run's page")
    again = page.driver.current_url.rstrip("/").rpartition("/")[2]
    assert system.run(again)["conversation"] == run["conversation"]
    with system.client() as client:
        client.post(f"/api/runs/{again}/cancel/")


def test_the_status_shows_what_the_server_sees(browse: Open) -> None:
    page = browse()
    page.open("/status/")
    text = page.text("#parts")
    for part in ("Database", "Redis", "Broker", "Beat", "Disk", "runs", "batch", "reaper", "host"):
        assert part in text, part
    assert page.texts("#parts .list")[2].count("\n") >= 2, "a worker of each queue"


def test_a_token_is_made_and_revoked_on_the_profile(browse: Open) -> None:
    page = browse()
    page.open("/profile/")
    page.one("form[action$='/tokens/'] input[name=name]").send_keys("by hand", Keys.ENTER)
    page.until(lambda: page.text("#new-token").startswith("aiops_"), "the token")
    page.one("[aria-label='Revoke the token by hand']").click()
    page.until(lambda: page.all("dialog[open] .primary"), "the question")
    page.one("dialog[open] .primary").click()
    page.until(lambda: "was revoked" in page.text("#toast"), "what it did")
    assert "by hand" not in page.texts("table.list")[0]
