"""What people read when the address that they open, a proxy in front and AIOPS_PUBLIC_URL do not agree."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from django.http import HttpResponse
from django.test import Client

from aiops.people.models import User
from aiops.web.doors.hosts import Hosts

PUBLIC = "https://aiops.example.org"
PROBLEM = "application/problem+json"
pytestmark = pytest.mark.django_db


def sent_to(host: str) -> Callable[[], Awaitable[bytes]]:
    """Return a call that sends a request for this host to the front's check, and returns the body of its answer."""

    async def answered() -> bytes:
        body = b""

        async def send(message) -> None:
            nonlocal body
            body += message.get("body", b"")

        async def served(scope, receive, send) -> None:
            raise AssertionError("it was let in")

        scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"host", host.encode())]}
        await Hosts(served, allowed=["localhost"])(scope, None, send)
        return body

    return answered


async def test_a_proxy_that_keeps_the_host_header_to_itself_is_named_as_the_cause() -> None:
    body = (await sent_to("aiops")()).decode()  # nginx sends the name of its upstream
    assert "'aiops' is not a name of this server" in body
    assert "let it pass the Host header on (nginx: proxy_set_header Host $http_host)" in body
    assert body.index("Host header") < body.index("otherwise add aiops to AIOPS_ALLOWED_HOSTS")


@pytest.fixture
def public(settings) -> None:
    settings.SETTINGS = settings.SETTINGS.model_copy(update={"public_url": PUBLIC})
    settings.CSRF_TRUSTED_ORIGINS = [PUBLIC]
    settings.ALLOWED_HOSTS = ["localhost", "aiops.example.org", "aiops.lan"]


def browser(**options: str) -> Client:
    made = Client(enforce_csrf_checks=True, **options)
    made.get("/sign-in/")
    return made


def sign_in(client: Client, **headers: str) -> str:
    cookie = client.cookies.get("aiops_csrf")
    form = {"username": "ann", "password": "x", "csrfmiddlewaretoken": cookie.value if cookie else "x" * 64}
    response = client.post("/sign-in/", form, **headers)
    assert response.status_code == 403
    return text(response)


def text(response: HttpResponse) -> str:
    return response.content.decode().replace("&#x27;", "'")


@pytest.mark.usefixtures("public")
def test_a_page_at_another_address_than_the_public_one_is_not_called_too_old() -> None:
    page = sign_in(browser(HTTP_HOST="aiops.lan"), HTTP_ORIGIN="https://aiops.lan")
    assert "too old" not in page
    assert f"came from https://aiops.lan, but AIOPS_PUBLIC_URL is {PUBLIC}" in page
    assert f"open {PUBLIC}" in page


@pytest.mark.usefixtures("public")
def test_without_an_origin_the_referer_is_what_differs() -> None:
    client = browser(HTTP_HOST="aiops.lan")
    page = sign_in(client, HTTP_REFERER="https://aiops.corp/sign-in/", **{"wsgi.url_scheme": "https"})
    assert "came from https://aiops.corp, but" in page


@pytest.mark.usefixtures("public")
def test_a_browser_that_says_nothing_of_the_page_is_asked_to() -> None:
    page = sign_in(browser(HTTP_HOST="aiops.lan"), **{"wsgi.url_scheme": "https"})
    assert "neither Origin nor Referer" in page


def test_without_a_public_url_the_cure_is_to_set_it() -> None:
    page = sign_in(browser(), HTTP_ORIGIN="https://aiops.lan")
    assert "came from https://aiops.lan, which is not an address of this server" in page
    assert "set AIOPS_PUBLIC_URL" in page
    assert "Host header" in page


@pytest.mark.usefixtures("public")
def test_a_page_over_http_loses_its_cookies_and_says_so(settings) -> None:
    settings.CSRF_COOKIE_SECURE = True
    page = sign_in(Client(enforce_csrf_checks=True), HTTP_ORIGIN="http://testserver", HTTP_HOST="localhost")
    assert "came from http://testserver" in page
    page = sign_in(Client(enforce_csrf_checks=True, HTTP_HOST="localhost"), HTTP_ORIGIN="http://localhost")
    assert "keeps no cookie" in page
    assert f"open {PUBLIC}" in page


def test_a_page_that_is_too_old_is_to_be_reloaded() -> None:
    client = browser()
    page = client.post("/sign-in/", {"username": "ann", "password": "x", "csrfmiddlewaretoken": "x" * 64})
    assert page.status_code == 403
    assert "reload it" in text(page)


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("origin", ["https://<b>evil", "null", "https://" + "x" * 5_000])
def test_an_origin_of_anybodys_making_stays_short_and_text(origin: str) -> None:
    page = sign_in(browser(HTTP_HOST="aiops.lan"), HTTP_ORIGIN=origin)
    assert "<b>evil" not in page
    assert "x" * 300 not in page


@pytest.mark.usefixtures("public")
def test_calls_of_a_page_say_the_same() -> None:
    client = Client(enforce_csrf_checks=True, HTTP_HOST="aiops.lan")
    client.force_login(User.objects.create_user("ann"))
    response = client.post("/api/chat/", {"message": "x"}, "application/json", HTTP_ORIGIN="https://evil.example")
    assert (response.status_code, response["Content-Type"]) == (403, PROBLEM)
    assert response.json()["code"] == "csrf_failed"
    assert f"but AIOPS_PUBLIC_URL is {PUBLIC}" in response.json()["detail"]
