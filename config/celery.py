"""The Celery app: early acknowledgement, nothing reserved ahead, JSON ids only, and the queue of every task."""

from __future__ import annotations

import os
import ssl
from typing import Any
from urllib.parse import urlsplit

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")  # read when langgraph is imported

from celery import Celery, bootsteps
from celery.signals import setup_logging
from django.conf import settings as django_settings
from kombu import Exchange, Queue

from aiops import dispatch
from config import schedule

SETTINGS = django_settings.SETTINGS
REDIS = SETTINGS.broker.startswith("redis")
TLS: dict[str, dict[str, Any]] = {
    "rediss": {"ssl_cert_reqs": ssl.CERT_REQUIRED},
    "amqps": {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": urlsplit(SETTINGS.broker).hostname},
}
"""Kombu 5.7 by itself verifies no certificate of Redis and no name of RabbitMQ; ``ssl_…`` in the URL comes first."""
RETRY: dict[str, Any] = {"max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}

QUORUM = {"x-queue-type": "quorum", "x-dead-letter-exchange": dispatch.DEAD_QUEUE}
"""RabbitMQ: replicated where there are several nodes; what no worker can read goes to the dead letters."""
DEAD = Queue(
    dispatch.DEAD_QUEUE,
    Exchange(dispatch.DEAD_QUEUE, type="fanout"),
    queue_arguments={"x-queue-type": "quorum", "x-max-length": 10_000},
)

app = Celery("aiops", set_as_current=True)


HELD_AHEAD = 8
"""Messages that a worker takes from RabbitMQ and has not acknowledged: few, since a worker that freezes keeps them."""


class FewAhead(bootsteps.StartStopStep):
    """Bounds what a worker reserves; Celery itself would reserve as many messages as the worker has threads."""

    def __init__(self, parent: Any, **options: Any) -> None:
        super().__init__(parent, **options)
        parent.initial_prefetch_count = HELD_AHEAD


class DeadLetters(bootsteps.StartStopStep):
    """Declares the queue of dead letters whenever a worker connects; nobody consumes it, doctor counts it."""

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Declare it."""
        if not REDIS:
            DEAD.bind(parent.connection.default_channel).declare()


app.steps["consumer"].update({FewAhead, DeadLetters})


@setup_logging.connect(weak=False)
def keep_our_logging(**_: Any) -> None:
    """Listen to the signal, which tells Celery to leave logging as ``aiops.log`` has set it."""


app.conf.update(
    broker_url=SETTINGS.broker,
    broker_use_ssl=TLS.get(urlsplit(SETTINGS.broker).scheme),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # a queue that RabbitMQ has not recovered yet would end the worker
    broker_connection_timeout=2,
    broker_transport_options=(
        {
            "socket_timeout": 3,
            "socket_connect_timeout": 2,
            "health_check_interval": 10,
            "retry_on_timeout": False,
            "max_retries": 2,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.5,
        }
        if REDIS
        else {"confirm_publish": True, "max_retries": 2, "interval_start": 0, "interval_step": 0.2, "interval_max": 0.5}
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
    worker_send_task_events=False,  # half of a worker's own cost; Flower turns them on while it runs
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    beat_scheduler="config.beat:Scheduler",
    beat_schedule=schedule.entries(SETTINGS),
    beat_max_loop_interval=5,
    timezone="UTC",
    enable_utc=True,
)
