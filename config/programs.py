"""Celery's worker and beat as our processes run them: their output is log lines, and no queue is declared in vain."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from celery import Celery
from celery.apps import beat, worker
from celery.worker import consumer

DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"


class Consumer(consumer.Consumer):  # type: ignore[misc]
    """Celery's consumer without native delayed delivery.

    With quorum queues, Celery 5.7 declares 28 queues for it at every start. It never uses them with direct exchanges,
    as ours are: a worker holds delayed messages instead.
    """

    class Blueprint(consumer.Consumer.Blueprint):  # type: ignore[misc]
        default_steps = tuple(step for step in consumer.Consumer.Blueprint.default_steps if step != DELAYED_DELIVERY)


class Worker(worker.Worker):  # type: ignore[misc]
    """Celery's worker without its banner and its words at SIGTERM and SIGINT, which are not log lines."""

    def on_before_init(self, **options: Any) -> None:
        super().on_before_init(**{**options, "quiet": True})

    def install_platform_tweaks(self, one: Any) -> None:
        super().install_platform_tweaks(one)
        worker.install_worker_term_handler(one, verbose=False)
        worker.install_worker_int_handler(one, verbose=False, callback=_let_the_second_end_all)


def _let_the_second_end_all(one: Any) -> None:
    """Let a second Ctrl-C cancel all tasks, as Celery's own handler of the first one does."""
    worker.install_worker_term_hard_handler(one, sig="SIGINT", verbose=False)


class Beat(beat.Beat):  # type: ignore[misc]
    """Celery's beat without its banner."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "quiet": True})


class App(Celery):
    """The Celery app whose commands start these programs."""

    @cached_property
    def Worker(self) -> Any:  # noqa: N802  (Celery names it so)
        return self.subclass_with_self(Worker)

    @cached_property
    def Beat(self) -> Any:  # noqa: N802  (Celery names it so)
        return self.subclass_with_self(Beat)
