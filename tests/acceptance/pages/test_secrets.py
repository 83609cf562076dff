"""Secrets in the browser: added, checked, replaced and deleted, and their values nowhere to be seen."""

from __future__ import annotations

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.acceptance.browser import Page
from tests.acceptance.pages.asking import Open
from tests.acceptance.system import System


def add(page: Page, kind: str, **values: str) -> None:
    Select(page.one("#secret-form [name=kind]")).select_by_value(kind)
    for name, value in values.items():
        page.one(f"#secret-form [name={name}]").send_keys(value)
    page.one("#secret-form [type=submit]").click()


def names(page: Page) -> list[str]:
    return page.texts("#secrets td:first-child")


def press(page: Page, what: str, name: str) -> None:
    page.one(f"#secrets [data-name={name}] [data-do={what}]").click()


def test_a_secret_is_stored_checked_replaced_and_deleted(browse: Open, system: System) -> None:
    page = browse()
    page.open("/secrets/")
    add(page, "stored", name="pages", value="canary-of-the-pages")
    page.until(lambda: "pages" in names(page), "the row")
    assert "canary" not in page.driver.page_source
    press(page, "check", "pages")
    page.until(lambda: "A worker can read it." in page.text("#secrets"), "the outcome", within_s=40)
    press(page, "replace", "pages")
    assert page.one("#ask input").get_attribute("type") == "password"
    page.one("#ask input").send_keys("canary-two")
    page.one("#ask .primary").click()
    page.until(lambda: "Replaced." in page.text("#secrets"), "the replacement")
    press(page, "delete", "pages")
    page.until(lambda: "Delete the secret pages?" in page.text("#ask p"), "the question")
    page.one("#ask .primary").click()
    page.until(lambda: "pages" not in names(page), "the end of it")
    assert page.errors() == []


def test_a_secret_that_no_worker_can_read_says_why(browse: Open) -> None:
    page = browse(width=380)
    page.open("/secrets/")
    add(page, "env", name="absent", env="PATH")
    page.until(lambda: "begins with AIOPS_SECRET_" in page.text("#secret-problem"), "the refusal")
    page.driver.find_element(By.NAME, "env").clear()
    page.one("#secret-form [name=env]").send_keys("AIOPS_SECRET_ABSENT")
    page.one("#secret-form [type=submit]").click()
    page.until(lambda: "absent" in names(page), "the row")
    press(page, "check", "absent")
    page.until(lambda: "AIOPS_SECRET_ABSENT is not set for the workers" in page.text("#secrets"), "why", within_s=40)
    press(page, "delete", "absent")
    page.one("#ask .primary").click()
    page.until(lambda: "absent" not in names(page), "the end of it")
