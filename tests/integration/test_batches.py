"""A batch is validated whole, fed in fair shares, settled item by item, and ends with every item accounted for.

More than 250 lines: the life of a batch, whose tests read best in order.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import Sum
from django.db.models.functions import Now

from aiops import keyspace
from aiops.batches import feeding, lifecycle, validation
from aiops.batches.models import Batch, Item, Upload
from aiops.conversations.models import Conversation, Message
from aiops.errors import Conflict, TooMany
from aiops.people.models import User
from aiops.runs import transitions
from aiops.runs.models import Run
from aiops.runs.transitions import Ending
from tests.integration.batching import SETTINGS, Make, counts, end, make, queue, running, tick

__all__ = ["make", "queue"]
pytestmark = pytest.mark.django_db


def test_a_valid_batch_runs_a_few_items_at_a_time_and_completes(make: Make, queue: list[str]) -> None:
    batch = make(10)
    assert (batch.state, batch.total) == ("in_progress", 10)
    assert not Upload.objects.filter(batch=batch).exists()
    assert tick()["started"] == 8
    assert tick()["started"] == 0
    first = running(batch)[0]
    assert (first.queue, first.deadline_s, first.options) == ("batch", 9, {"model": "m", "read_only": True})
    assert Message.objects.get(pk=first.message_id).text == "p0"
    assert len(queue) == 8
    while runs := running(batch):
        for run in runs:
            end(run)
        tick()
    assert counts(batch) == {"total": 10, "succeeded": 10}
    assert (batch.state, batch.input_tokens, batch.output_tokens) == ("completed", 20, 30)
    assert batch.ended_at is not None
    assert len(set(queue)) == 10


def test_more_workers_get_more_items(make: Make) -> None:
    for worker in ("a", "b"):
        keyspace.show_worker(worker, queue="batch", in_hand=0)
    make(100)
    assert tick()["started"] == 16


def test_one_invalid_line_stops_an_all_or_nothing_batch_and_is_reported(make: Make) -> None:
    batch = make(lines=['{"prompt": "fine"}', "nonsense"])
    assert (batch.state, batch.error["code"]) == ("failed", "invalid_batch")
    assert "1 of 2 lines" in batch.error["detail"]
    assert Item.objects.get(batch=batch, state="invalid").error["detail"].startswith("The line is not JSON")
    assert tick()["started"] == 0


def test_invalid_lines_can_be_left_out(make: Make) -> None:
    twice = '{"custom_id": "a", "prompt": "x"}'
    batch = make(lines=[twice, twice, "nonsense"], policy="skip_invalid")
    tick()
    for run in running(batch):
        end(run)
    tick()
    assert counts(batch) == {"total": 3, "invalid": 2, "succeeded": 1}
    assert batch.state == "completed"
    assert "is not unique" in Item.objects.get(batch=batch, number=2).error["detail"]


def test_a_file_without_a_valid_line_fails(make: Make) -> None:
    assert "No line is valid" in make(lines=["x"], policy="skip_invalid").error["detail"]


def test_a_batch_of_more_lines_than_allowed_fails(user: User, make: Make) -> None:
    batch = make(5, validate=False)
    validation.validate(str(batch.pk), SETTINGS.model_copy(update={"max_batch_items": 4}))
    batch.refresh_from_db()
    assert "more than 4 lines" in batch.error["detail"]


def test_a_batch_validation_that_died_is_requested_again_and_starts_over(make: Make, queue: list[str]) -> None:
    batch = make(3, validate=False)
    validation.validate("00000000-0000-7000-8000-000000000000", SETTINGS)
    Item.objects.create(batch=batch, number=1, custom_id="of the dead")
    Batch.objects.filter(pk=batch.pk).update(
        lease_until=Now() - timedelta(seconds=1), created_at=Now() - timedelta(minutes=1), total=1
    )
    assert feeding.redispatch_validations() == 1
    assert queue == [str(batch.pk)]
    validation.validate(str(batch.pk), SETTINGS)
    assert counts(batch) == {"total": 3}
    assert Item.objects.filter(batch=batch).count() == 3


def test_a_validation_under_way_is_left_alone(make: Make) -> None:
    batch = make(3, validate=False)
    Batch.objects.filter(pk=batch.pk).update(lease_until=Now() + timedelta(minutes=1))
    validation.validate(str(batch.pk), SETTINGS)
    assert not Item.objects.filter(batch=batch).exists()
    assert feeding.redispatch_validations() == 0


def test_a_batch_cancelled_while_it_is_validated_ends(make: Make) -> None:
    batch = make(3, validate=False)
    lifecycle.cancel(batch)
    validation.validate(str(batch.pk), SETTINGS)
    tick()
    assert counts(batch) == {}
    assert batch.state == "cancelled"


def test_a_failure_that_may_pass_is_tried_again_and_one_that_may_not_is_not(make: Make) -> None:
    batch = make(2)
    tick()
    passing, lasting = running(batch)
    end(passing, "failed", code="model_unreachable", detail="x", retry=True)
    end(lasting, "failed", code="model_key_refused", detail="x", retry=False)
    tick()
    assert counts(batch) == {"total": 2, "failed": 1}
    assert running(batch) == []
    Item.objects.filter(batch=batch).update(not_before=Now() - timedelta(seconds=1))
    tick()
    (again,) = running(batch)
    assert again.pk != passing.pk
    assert not Conversation.objects.filter(pk=passing.conversation_id).exists()
    end(again)
    tick()
    assert counts(batch) == {"total": 2, "failed": 1, "succeeded": 1}


@pytest.mark.parametrize(("code", "tries"), [("model_error", 3), ("model_unreachable", 6), ("model_rate_limited", 8)])
def test_an_item_is_tried_as_often_as_its_kind_of_failure_deserves(make: Make, code: str, tries: int) -> None:
    batch = make(1)
    for _ in range(tries):
        tick()
        Item.objects.filter(batch=batch).update(not_before=None)
        tick()
        (run,) = running(batch)
        end(run, "failed", code=code, detail="x", retry=True)
    tick()
    assert counts(batch) == {"total": 1, "failed": 1}
    assert batch.state == "completed"


def test_cancel_keeps_what_is_done_and_resume_goes_on(make: Make) -> None:
    batch = make(20)
    tick()
    done, *others = running(batch)
    end(done)
    stopped = lifecycle.cancel(batch)
    assert set(stopped) == {str(done.pk), *(str(r.pk) for r in others)}
    with pytest.raises(Conflict):
        lifecycle.cancel(batch)
    tick()
    assert counts(batch) == {"total": 20, "succeeded": 1, "cancelled": 19}
    assert batch.state == "cancelled"
    assert lifecycle.rerun(batch, states=("cancelled", "expired")) == 19
    while runs := running(batch) or (tick() and running(batch)):
        for run in runs:
            end(run)
        tick()
    assert counts(batch) == {"total": 20, "succeeded": 20}
    assert batch.state == "completed"


def test_retrying_a_batch_runs_only_its_failed_items(make: Make) -> None:
    batch = make(3)
    tick()
    good, bad, _ = running(batch)
    end(good)
    end(bad, "failed", code="c", detail="d", retry=False)
    with pytest.raises(Conflict):
        lifecycle.rerun(batch, states=("failed",))
    end(running(batch)[2])
    tick()
    assert lifecycle.rerun(batch, states=("failed",)) == 1
    tick()
    (again,) = running(batch)
    end(again)
    tick()
    assert counts(batch) == {"total": 3, "succeeded": 3}
    with pytest.raises(Conflict):
        lifecycle.rerun(batch, states=("failed",))


def test_items_not_begun_when_the_batchs_window_closes_expire(make: Make) -> None:
    batch = make(20)
    tick()
    begun = running(batch)[0]
    claim = transitions.claim(str(begun.pk), worker="w", lease_s=100)
    assert claim is not None
    Batch.objects.filter(pk=batch.pk).update(expires_at=Now() - timedelta(seconds=1))
    tick(2)
    assert counts(batch) == {"total": 20, "expired": 19}
    assert Run.objects.filter(state="expired").count() == 7
    assert transitions.finish(claim.claim, Ending("succeeded", "late but whole"))
    tick()
    assert counts(batch) == {"total": 20, "expired": 19, "succeeded": 1}
    assert batch.state == "expired"


def test_max_concurrency_is_never_passed(make: Make) -> None:
    batch = make(20, max_concurrency=3)
    for _ in range(4):
        tick(2)
        assert len(running(batch)) == 3
        end(running(batch)[0])


def test_two_users_share_the_room_for_batch_items(make: Make) -> None:
    other = User.objects.create_user("bob", password="correct-horse-battery")
    mine, also_mine, theirs = make(50), make(50), make(50, user=other)
    tick()
    assert [len(running(b)) for b in (mine, also_mine, theirs)] == [2, 2, 4]


def test_items_do_not_count_among_ones_own_questions_or_lists(make: Make, ask: Callable[..., Run]) -> None:
    make(20)
    tick()
    assert ask().state == "queued"


def test_an_item_whose_conversation_was_deleted_is_reported_as_failed(make: Make) -> None:
    batch = make(1)
    tick()
    Conversation.objects.filter(kind="batch").delete()
    tick()
    assert counts(batch) == {"total": 1, "failed": 1}
    assert Item.objects.get(batch=batch).error["code"] == "deleted"


def test_deleting_needs_an_end_and_removes_everything_but_what_somebody_went_on_with(make: Make) -> None:
    batch = make(3)
    with pytest.raises(Conflict):
        lifecycle.delete(batch.pk)
    tick()
    for run in running(batch):
        end(run)
    tick()
    kept = Conversation.objects.filter(kind="batch").first()
    Conversation.objects.filter(pk=kept.pk).update(kind="chat")
    lifecycle.delete(batch.pk)
    tick(2)
    assert not Batch.objects.exists()
    assert not Item.objects.exists()
    assert list(Conversation.objects.values_list("pk", flat=True)) == [kept.pk]


def test_a_user_has_a_limited_number_of_unfinished_batches(user: User, make: Make) -> None:
    for _ in range(20):
        make(1, validate=False)
    with pytest.raises(TooMany):
        make(1, validate=False)


def test_whatever_happens_every_item_is_accounted_for(make: Make) -> None:
    """A hundred items, ended at random: the counts are always those of the items."""
    batch = make(100)
    endings = ["succeeded", "failed", "cancelled"]
    for n in range(200):
        tick()
        runs = running(batch)
        if not runs:
            break
        for m, run in enumerate(runs):
            end(run, endings[(n + m) % 3], code="c", detail="d", retry=False)
    tick()
    assert counts(batch)["total"] == 100
    assert batch.settled == 100
    of_items = {s: Item.objects.filter(batch=batch, state=s).count() for s in endings}
    assert of_items == {s: getattr(batch, s) for s in endings}
    assert Item.objects.aggregate(n=Sum("tries"))["n"] == 100
