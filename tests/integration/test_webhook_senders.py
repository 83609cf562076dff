"""What hostile receivers can do to webhooks: delay their own, within a limit, and nothing else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db.models.functions import Now

from aiops.people.models import User
from aiops.runs.models import Run
from aiops.webhooks import claims, delivering, outbox, sending, signing
from aiops.webhooks.claims import Outcome
from aiops.webhooks.models import Delivery
from tests.acceptance.system import eventually
from tests.integration.receivers import Receiver, Silent
from tests.integration.test_webhooks import due_now, end

pytestmark = pytest.mark.django_db(transaction=True)
SETTINGS = django_settings.SETTINGS.model_copy(update={"webhook_networks": "127.0.0.0/8"})
Ask = Callable[..., Run]


@pytest.fixture
def dripping() -> Iterator[Silent]:
    made = Silent(drips=True)
    yield made
    made.stop()


@pytest.fixture
def silent() -> Iterator[Silent]:
    made = Silent(drips=False)
    yield made
    made.stop()


@pytest.fixture
def working() -> Iterator[Callable[[], threading.Thread]]:
    """Runs the job in a thread, which has ended before the tables are emptied."""
    threads: list[threading.Thread] = []

    def begin() -> threading.Thread:
        threads.append(threading.Thread(target=delivering.deliver, args=(SETTINGS,)))
        threads[-1].start()
        return threads[-1]

    yield begin
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()


def test_a_receiver_that_drips_its_answer_is_given_up_after_the_total_limit(
    ask: Ask, dripping: Silent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TOTAL_S", 0.5)
    end(ask(webhook=dripping.url))
    assert delivering.deliver(SETTINGS)["not_delivered"] == 1
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.error) == (
        "pending",
        1,
        "The receiver did not answer within 0.5 s.",
    )


def test_a_slow_name_look_up_is_given_up_within_the_total_limit(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up = threading.Event()
    monkeypatch.setattr(sending, "TOTAL_S", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: looked_up.wait(60) and [])
    end(ask(webhook="https://hooks.example/"))
    try:
        assert delivering.deliver(SETTINGS)["not_delivered"] == 1
    finally:
        looked_up.set()
    assert Delivery.objects.get().error == "The receiver did not answer within 0.5 s."


def test_a_lease_outlives_the_try_that_it_protects() -> None:
    assert claims.LEASE_S >= 2 * sending.TOTAL_S
    assert sending.IDLE_S < sending.TOTAL_S


def test_one_user_and_one_host_hold_a_bounded_share_and_the_others_go_on(
    ask: Ask,
    silent: Silent,
    receiver: Receiver,
    working: Callable[[], threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sending, "TOTAL_S", 120)
    monkeypatch.setattr(sending, "IDLE_S", 120)
    greedy = [ask(webhook=silent.url) for _ in range(3 * claims.MAX_PER_USER)]
    bob, eve = User.objects.create_user("bob"), User.objects.create_user("eve")
    for run in greedy:
        end(run)
    same_host = ask(user=eve, webhook=silent.url.replace("/hook", "/other"))
    end(same_host)
    working()
    eventually(lambda: silent.accepted == claims.MAX_PER_USER, within_s=60)
    late = ask(user=bob, webhook=receiver.url.replace("127.0.0.1", "127.1"))  # the same machine, another host
    end(late)
    eventually(lambda: Delivery.objects.filter(run=late, state="delivered").exists(), within_s=60)
    under_way = Delivery.objects.filter(state="pending", attempts=1)
    assert (under_way.count(), silent.accepted) == (claims.MAX_PER_HOST, claims.MAX_PER_USER)
    assert not Delivery.objects.filter(run__in=greedy).exclude(state="pending").exists()
    silent.stop()


def test_a_user_with_many_due_deliveries_does_not_come_before_those_with_one(ask: Ask, user: User) -> None:
    for n in range(6):
        end(ask(webhook=f"https://a{n}.example/"))
    bob = User.objects.create_user("bob")
    end(ask(user=bob, webhook="https://b.example/"))
    outbox.collect()
    due_now()
    Delivery.objects.filter(user=user).update(next_at=Now() - timedelta(hours=1))
    assert [delivery.user_id for delivery in claims.claim_some(3, in_flight=())] == [user.pk, bob.pk, user.pk]


def test_an_outdated_claim_writes_nothing(ask: Ask) -> None:
    end(ask(webhook="https://hooks.example/"))
    outbox.collect()
    old = claims.claim(Delivery.objects.get().pk)
    assert old is not None
    due_now()  # its lease has ended
    new = claims.claim(old.pk)
    assert new is not None
    assert claims.conclude(old, Outcome(500, "The receiver answered 500.")) is None
    assert claims.conclude(new, Outcome(200)) is True
    assert claims.conclude(old, Outcome(error="late")) is None
    assert Delivery.objects.get().state == "delivered"


def test_a_delivery_that_breaks_our_code_is_marked_and_the_others_arrive(
    ask: Ask, user: User, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob = User.objects.create_user("bob")
    end(ask(webhook=receiver.url))
    end(ask(user=bob, webhook=receiver.url))
    keys_of = signing.keys_of

    def broken(user_id: object, settings: object) -> list[str]:
        if user_id == user.pk:
            raise RuntimeError("no such key")
        return keys_of(user_id, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(signing, "keys_of", broken)
    assert delivering.deliver(SETTINGS) == {"collected": 2, "delivered": 1, "not_delivered": 1}
    broken_one = Delivery.objects.get(user=user)
    assert (broken_one.state, broken_one.error) == ("pending", "It could not be sent (RuntimeError).")


def test_an_end_that_cannot_be_written_is_marked_and_the_others_are_sent(
    ask: Ask, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = ask(webhook=receiver.url), ask(webhook=receiver.url)
    end(bad)
    end(good)
    data = outbox._run_data

    def broken(run: Run) -> dict[str, object]:
        if run.pk == bad.pk:
            raise ValueError("a lone surrogate")
        return data(run)

    monkeypatch.setattr(outbox, "_run_data", broken)
    assert delivering.deliver(SETTINGS) == {"collected": 2, "delivered": 1, "not_delivered": 0}
    marked = Delivery.objects.get(run=bad)
    assert (marked.state, marked.error) == ("failed", "Its payload could not be written (ValueError).")
    assert delivering.deliver(SETTINGS)["collected"] == 0
