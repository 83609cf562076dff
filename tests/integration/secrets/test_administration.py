"""Secrets in the administration: a value goes in, stays, is never shown, and a worker says whether it can read it."""

from __future__ import annotations

import pytest
from django.test import Client

from aiops.secrets.models import Secret
from tests.integration.administering import administrator, form_of, problems

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/admin/secrets/secret/"


@pytest.fixture
def browser() -> Client:
    return administrator()


@pytest.mark.usefixtures("ring")
def test_a_stored_secret_goes_in_and_is_never_shown(browser: Client) -> None:
    sent = {**form_of(browser, f"{PATH}add/"), "name": "key", "kind": "stored", "value": "s3cret-value"}
    answer = browser.post(f"{PATH}add/", sent)
    assert answer.status_code == 302, problems(answer)
    made = Secret.objects.get()
    before = made.encrypted
    page = f"{PATH}{made.pk}/change/"
    assert "s3cret" not in browser.get(page).content.decode()
    assert browser.post(page, {**form_of(browser, page), "tags": "a"}).status_code == 302
    made.refresh_from_db()
    assert (made.encrypted, made.tags) == (before, ["a"])
    wrong = browser.post(page, {**form_of(browser, page), "name": "a b", "value": "s3cret-other"})
    assert ("name" in problems(wrong), "s3cret" in wrong.content.decode()) == (True, False)


@pytest.mark.usefixtures("worker")
def test_a_worker_says_whether_it_can_read_the_selected(browser: Client) -> None:
    made = Secret.objects.create(name="gone", kind="env", reference="AIOPS_SECRET_NOT_THERE")
    page = browser.post(PATH, {"action": "check_rows", "_selected_action": [str(made.pk)]}, follow=True)
    assert "gone: " in page.content.decode()
    assert "AIOPS_SECRET_NOT_THERE" in str(next(iter(page.context["messages"])))
