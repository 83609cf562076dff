"""Celery's worker and beat as our processes run them: their output is log lines, and no queue is declared in vain."""

from __future__ import annotations

from typing import Any

from celery.apps import beat, worker
from celery.worker import consumer

DELAYED_DELIVERY = "celery.worker.consumer.delayed_delivery:DelayedDelivery"

SIGNALS: Any = worker
"""The module's handlers of signals, which celery-types does not declare."""
BLUEPRINT: Any = consumer.Consumer.Blueprint


class Consumer(consumer.Consumer):
    """Celery's consumer without native delayed delivery.

    With quorum queues, Celery 5.7 declares 28 queues for it at every start. It never uses them with direct exchanges,
    as ours are: a worker holds delayed messages instead.
    """

    class Blueprint(BLUEPRINT):  # type: ignore[misc]
        default_steps = tuple(step for step in BLUEPRINT.default_steps if step != DELAYED_DELIVERY)


class Worker(worker.Worker):
    """Celery's worker without its banner and its words at SIGTERM and SIGINT, which are not log lines."""

    def on_before_init(self, quiet: bool = True, **options: Any) -> None:
        super().on_before_init(quiet=True, **options)

    def install_platform_tweaks(self, one: Any) -> None:
        super().install_platform_tweaks(one)
        SIGNALS.install_worker_term_handler(one, verbose=False)
        SIGNALS.install_worker_int_handler(one, verbose=False, callback=_let_the_second_end_all)


def _let_the_second_end_all(one: Any) -> None:
    """Let a second Ctrl-C cancel all tasks, as Celery's own handler of the first one does."""
    SIGNALS.install_worker_term_hard_handler(one, sig="SIGINT", verbose=False)


class Beat(beat.Beat):
    """Celery's beat without its banner."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "quiet": True})
