"""A real headless Chromium on the chat page."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.acceptance.system import System, eventually

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
PASSWORD = "correct-horse-battery-staple"


class Page:
    """One browser, signed in as the administrator."""

    def __init__(self, system: System, *, width: int = 1200, height: int = 800, dark: bool = False) -> None:
        self._profile = tempfile.mkdtemp(prefix="aiops-chromium-")
        options = webdriver.ChromeOptions()
        options.binary_location = str(CHROMIUM)
        for flag in (*FLAGS, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        self.system = system

    def close(self) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)

    def sign_in(self, name: str = "admin", password: str = PASSWORD) -> Page:
        self.driver.get(self.system.url + "/")
        self.driver.find_element(By.NAME, "username").send_keys(name)
        self.driver.find_element(By.NAME, "password").send_keys(password, Keys.ENTER)
        try:
            self.until(lambda: self.all("textarea[name=message]"), "the chat page")
        except AssertionError as error:
            raise AssertionError(f"{error}; the page says: {self.text('body')[:300]}") from error
        return self

    def fresh(self) -> Page:
        """Leave what an earlier test did: one tab, no draft, no old complaints, an empty conversation."""
        first, *others = self.driver.window_handles
        for handle in others:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.open("/health/live")
        self.driver.execute_script("sessionStorage.clear()")
        self.errors()
        self.open("/")
        self.until(lambda: self.all("textarea[name=message]"), "the chat page")
        return self

    def open(self, path: str) -> None:
        self.driver.get(self.system.url + path)

    def one(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[Any]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        return self.driver.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText.trim())", selector
        )

    def states(self) -> list[str]:
        """Return the state of every turn on the page."""
        found: list[str] = self.driver.execute_script(
            "return [...document.querySelectorAll('.turn')].map((e) => e.dataset.state)"
        )
        return found

    def text(self, selector: str) -> str:
        """Return the first one's text, empty while there is none."""
        return next(iter(self.texts(selector)), "")

    def ask(self, message: str) -> None:
        self.one("textarea[name=message]").send_keys(message, Keys.ENTER)

    def until(self, look: Callable[[], Any], what: str, within_s: float = 15) -> Any:
        return eventually(look, within_s=within_s, what=what)

    def ended(self, count: int = 1) -> None:
        self.until(lambda: len(self.all('.turn[data-state="succeeded"]')) == count, f"{count} answers")

    def errors(self) -> list[str]:
        """Return what the browser complained about: scripts, refused resources, CSP."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def screenshot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))
