"""The Celery app: early acknowledgement, few reserved messages, JSON, and the queues."""

from __future__ import annotations

import os
import ssl
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")  # read when langgraph is imported

from celery import Celery, bootsteps
from celery.signals import setup_logging
from django.conf import settings as django_settings
from kombu import Exchange, Queue

from aiops import dispatch

SETTINGS = django_settings.SETTINGS
REDIS = SETTINGS.broker.startswith("redis")
TLS: dict[str, dict[str, Any]] = {
    "rediss": {"ssl_cert_reqs": ssl.CERT_REQUIRED},
    "amqps": {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": urlsplit(SETTINGS.broker).hostname},
}
"""Kombu 5.7 alone verifies neither Redis's certificate nor RabbitMQ's host name; ``ssl_…`` in the URL wins."""
RETRY: dict[str, Any] = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}

QUORUM = {"x-queue-type": "quorum", "x-dead-letter-exchange": dispatch.DEAD_QUEUE}
"""RabbitMQ: replicated if there are several nodes; messages that no worker can read become dead letters."""
DEAD = Queue(
    dispatch.DEAD_QUEUE,
    Exchange(dispatch.DEAD_QUEUE, type="fanout"),
    queue_arguments={"x-queue-type": "quorum", "x-max-length": 10_000},
)


class App(Celery):
    """The app whose commands start our worker and beat, named here so that no other process imports them."""

    @cached_property
    def Worker(self) -> Any:  # noqa: N802  (Celery names it so)
        return self.subclass_with_self("config.programs:Worker")  # type: ignore[arg-type]  # it also takes a name

    @cached_property
    def Beat(self) -> Any:  # noqa: N802  (Celery names it so)
        return self.subclass_with_self("config.programs:Beat")  # type: ignore[arg-type]  # it also takes a name


app = App("aiops", set_as_current=True)

PREFETCH = 8
"""Unacknowledged messages that a worker takes from RabbitMQ: few, because a frozen worker holds them back."""


class LimitPrefetch(bootsteps.StartStopStep):
    """Limits reserved messages; by default, Celery reserves as many as the worker has threads."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        parent.initial_prefetch_count = PREFETCH


class DeadLetters(bootsteps.StartStopStep):
    """Declares the dead-letter queue when a worker connects; nothing consumes it, doctor counts it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        if not REDIS:
            DEAD.bind(parent.connection.default_channel).declare()


app.steps["consumer"].update({LimitPrefetch, DeadLetters})


@setup_logging.connect(weak=False)
def keep_our_logging(**_: Any) -> None:
    """Do nothing: a receiver of this signal keeps Celery from changing the logging set by ``aiops.log``."""


app.conf.update(
    broker_url=SETTINGS.broker,
    broker_use_ssl=TLS.get(urlsplit(SETTINGS.broker).scheme),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # otherwise a queue that RabbitMQ is still recovering ends the worker
    broker_connection_timeout=2,
    broker_transport_options=(
        {
            "socket_timeout": 3,
            "socket_connect_timeout": 2,
            "health_check_interval": 10,
            "retry_on_timeout": False,
            **RETRY,
        }
        if REDIS
        else {"confirm_publish": True, **RETRY}
    ),
    task_publish_retry_policy=RETRY,
    task_queues=[
        Queue(name, Exchange(name), routing_key=name, queue_arguments=None if REDIS else QUORUM)
        for name in dispatch.QUEUES
    ],
    task_default_queue=dispatch.UPKEEP_QUEUE,
    task_create_missing_queues=False,
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=REDIS,
    worker_consumer="config.programs:Consumer",
    worker_send_task_events=False,  # they double a worker's own cost; Flower enables them while it runs
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_scheduler="config.beat:Scheduler",
    beat_max_loop_interval=5,
    timezone="UTC",
    enable_utc=True,
)
