"""Providers and models in the browser: added, tried, chosen in the chat, changed with a reason, and deleted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.support.ui import Select

from tests.acceptance.browser import Page
from tests.acceptance.model_server import ModelServer
from tests.acceptance.pages.asking import Open, do
from tests.acceptance.system import System

NAMES = {"pages-cloud", "pages-model"}


@pytest.fixture(autouse=True)
def _tidy(system: System) -> Iterator[None]:
    yield
    with system.client() as client:
        for path in ("/api/llm-models/", "/api/llm-providers/", "/api/secrets/"):
            for row in client.get(path).json()["results"]:
                if row["name"].startswith("pages-"):
                    client.delete(f"{path}{row['id']}/").raise_for_status()


def fill(page: Page, **values: str) -> None:
    for name, value in values.items():
        box = page.one(f"#row-form [name={name}]")
        box.clear()
        box.send_keys(value)


def save(page: Page) -> None:
    page.one("#row-form [type=submit]").click()


def test_a_provider_and_a_model_are_added_tried_and_chosen_in_the_chat(
    browse: Open, system: System, model: ModelServer
) -> None:
    page = browse()
    page.open("/providers/")
    assert Select(page.one("#row-form [name=handler]")).first_selected_option.text == "ollama"
    Select(page.one("#row-form [name=handler]")).select_by_value("azure_ai")
    fill(page, name="pages-cloud")
    save(page)
    assert page.one("[data-field='config_schema.azure_endpoint']:invalid"), "the browser asks for what is required"
    Select(page.one("#row-form [name=handler]")).select_by_value("openai")
    page.one("fieldset:not([hidden]) [data-field='config_schema.base_url']").send_keys("http://10.0.0.1/v1")
    save(page)
    page.until(lambda: "AIOPS_LLM_NETWORKS" in page.text("#row-problem"), "the refusal")
    address = page.one("fieldset:not([hidden]) [data-field='config_schema.base_url']")
    address.clear()
    address.send_keys(model.url)
    save(page)
    page.until(lambda: page.text("h1") == "pages-cloud", "the page of the provider")

    page.open("/models/")
    fill(page, name="pages-model", temperature="0.5", reason="For the night shift")
    Select(page.one("#row-form [name=provider]")).select_by_visible_text("pages-cloud (openai)")
    page.one("#row-form summary").click()
    fill(page, price_in="2.5", price_out="10", tags="night, shift")
    page.one("fieldset:not([hidden]) [data-field='model_config.top_p']").send_keys("0.9")
    save(page)
    page.until(lambda: page.text("h1") == "pages-model", "the page of the model")
    assert "For the night shift" in page.text("main")
    assert f"{model.url}/chat/completions" in page.text(".facts")

    question = page.one("#try-form [name=message]")
    question.clear()
    question.send_keys(do(words=3))
    page.one("#try-form button").click()
    page.until(lambda: "tokens in" in page.text("#try-says"), "the outcome", within_s=30)
    assert "succeeded" in page.text("#try-says")
    assert "cost" in page.text("#try-says")
    assert page.text("#try-answer")

    page.open("/")
    Select(page.one("#composer [name=model]")).select_by_visible_text("pages-model (pages-cloud)")
    page.one("#message").send_keys(do(words=2))
    page.one("#composer [type=submit]").click()
    page.ended()
    assert page.texts(".meta")[-1] == "pages-cloud:pages-model"
    with system.client() as client:
        run = client.get("/api/runs/").json()["results"][0]
    page.open(f"/runs/{run['id']}/")
    assert "(asked for)" in page.text(".facts")
    assert "USD" in page.text(".facts")
    assert [one for one in page.errors() if "400" not in one] == [], "but for the address that was refused"


def test_a_model_is_changed_with_a_reason_and_deleted(browse: Open, system: System) -> None:
    with system.client() as client:
        client.post("/api/llm-providers/", json={"name": "pages-cloud", "handler": "ollama"}).raise_for_status()
        body = {"name": "pages-model", "provider": "pages-cloud", "temperature": 1}
        made = client.post("/api/llm-models/", json=body).json()
    page = browse(width=380)
    page.open(f"/models/{made['id']}/")
    page.one("#row-form [name=temperature]").clear()
    fill(page, reason="Let the provider decide")
    save(page)
    page.until(lambda: "temperature: 1.0 → None" in page.text("main"), "the change log")
    assert "Let the provider decide" in page.text("main")
    with system.client() as client:
        assert client.get(f"/api/llm-models/{made['id']}/").json()["temperature"] is None
    page.one("[data-do=delete]").click()
    page.one("#ask .primary").click()
    page.until(lambda: page.text("h1") == "Models", "the list")
    assert "pages-model" not in page.text("main")
    assert page.errors() == []


def test_a_model_is_given_a_middleware_that_is_switched_off_and_removed(browse: Open, system: System) -> None:
    with system.client() as client:
        client.post("/api/llm-providers/", json={"name": "pages-cloud", "handler": "ollama"}).raise_for_status()
        made = client.post("/api/llm-models/", json={"name": "pages-model", "provider": "pages-cloud"}).json()
    page = browse()
    page.open(f"/models/{made['id']}/")
    Select(page.one("#chain-form [name=middleware]")).select_by_visible_text("CacheMiddleware")
    page.one("#chain-schema summary").click()
    assert "ttl_s" in page.text("#chain-schema")
    config = page.one("#chain-form [name=config]")
    config.clear()
    config.send_keys('{"ttl_s": "long"}')
    page.one("#chain-form [type=submit]").click()
    page.until(lambda: "ttl_s" in page.text("#chain-form-problem"), "the refusal")
    config.clear()
    config.send_keys('{"ttl_s": 600}')
    page.one("#chain-form [type=submit]").click()
    page.until(lambda: '"ttl_s": 600' in page.text("main") and page.all("#chain"), "the row")
    page.one("#chain [data-do=check]").click()
    page.until(lambda: "A worker can build CacheMiddleware" in page.text("#chain-says"), "the check")
    page.one("#chain [data-do=toggle]").click()
    page.until(lambda: page.text("#chain [data-label=State]") == "off", "the row that is off")
    page.one("#chain [data-do=remove]").click()
    page.one("#ask .primary").click()
    page.until(lambda: not page.all("#chain"), "the end of it")
