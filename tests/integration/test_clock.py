"""Somebody sets the clock: nobody loses a run for it, and nothing rests until the old time comes again."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models.functions import Now
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from aiops import database, dispatch, keyspace
from aiops.maintenance import clock, ledger
from aiops.maintenance.models import JobRun
from aiops.runs import reaper, transitions
from aiops.runs.models import Run
from config.celery import app

Ask = Callable[..., Run]
pytestmark = pytest.mark.django_db
SETTINGS = django_settings.SETTINGS
HOUR_S = 3_600.0
ROOT = Path(__file__).parents[2]


class Clocks:
    """The reaper's clocks: the database's, which can be set, and the monotonic one, which only goes on."""

    def __init__(self) -> None:
        self.monotonic_s = 1_000.0
        self.set_by_s = 0.0

    def pass_(self, seconds: float) -> None:
        self.monotonic_s += seconds

    def set(self, seconds: float) -> None:
        """Set the database's clock, as its leases see it."""
        self.set_by_s += seconds
        for run in Run.objects.filter(state="running"):
            Run.objects.filter(pk=run.pk).update(lease_until=run.lease_until - timedelta(seconds=seconds))


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch, sent: list[str]) -> Clocks:
    made = Clocks()
    fake = SimpleNamespace(monotonic=lambda: made.monotonic_s)
    monkeypatch.setattr(reaper, "time", fake)
    monkeypatch.setattr(clock, "time", fake)
    monkeypatch.setattr(database, "now_s", lambda: made.monotonic_s + made.set_by_s)
    monkeypatch.setattr(dispatch, "depth", lambda queue: 0)
    keyspace.sync().zadd(keyspace.workers("runs"), {"w": time.time()})
    reaper.reap(SETTINGS)
    return made


def test_a_clock_set_ahead_takes_no_run_from_a_living_worker(ask: Ask, clocks: Clocks) -> None:
    run = ask()
    claim = transitions.claim(str(run.pk), worker="w", lease_s=SETTINGS.lease_s)
    assert claim is not None
    clocks.pass_(1)
    clocks.set(HOUR_S)
    assert reaper.reap(SETTINGS) == {"taken_back": 0, "failed": 0, "sent_again": 0}
    transitions.renew([claim.claim], worker="w", lease_s=SETTINGS.lease_s)
    clocks.pass_(SETTINGS.lease_s)
    assert reaper.reap(SETTINGS)["taken_back"] == 0


def test_a_clock_set_ahead_delays_the_recovery_of_a_dead_workers_run_by_one_lease(ask: Ask, clocks: Clocks) -> None:
    assert transitions.claim(str(ask().pk), worker="w", lease_s=SETTINGS.lease_s)
    clocks.set(HOUR_S)
    assert reaper.reap(SETTINGS)["taken_back"] == 0
    clocks.pass_(SETTINGS.lease_s)
    assert reaper.reap(SETTINGS)["taken_back"] == 1


def test_a_clock_set_back_keeps_no_dead_workers_run_for_an_hour(ask: Ask, clocks: Clocks) -> None:
    run = ask()
    assert transitions.claim(str(run.pk), worker="w", lease_s=SETTINGS.lease_s)
    clocks.set(-HOUR_S)
    reaper.reap(SETTINGS)
    assert Run.objects.filter(pk=run.pk, lease_until__lte=Now() + timedelta(seconds=SETTINGS.lease_s)).exists()


def test_a_clock_set_back_does_not_stop_jobs_for_an_hour() -> None:
    assert ledger.run_job("event_streams", settings=SETTINGS, every_s=HOUR_S) is not None
    JobRun.objects.update(started_at=Now() + timedelta(minutes=30))  # what a slot of before looks like after
    assert ledger.run_job("event_streams", settings=SETTINGS, every_s=HOUR_S) is None
    assert ledger.run_job("event_streams", settings=SETTINGS, every_s=HOUR_S) is not None
    assert ledger.run_job("event_streams", settings=SETTINGS, every_s=HOUR_S) is None


def test_beat_sends_our_own_entries_alone() -> None:
    every = IntervalSchedule.objects.create(every=3, period=IntervalSchedule.SECONDS)
    for name, task in (("mine", "os.system"), ("every 3 s", "os.system"), ("other", dispatch.UPKEEP_TASK)):
        PeriodicTask.objects.update_or_create(name=name, defaults={"task": task, "interval": every})
    from celery.utils.imports import symbol_by_name

    app.loader.import_default_modules()
    scheduler = symbol_by_name(app.conf.beat_scheduler)(app=app, lazy=True)
    assert scheduler.enabled_models() == []
    PeriodicTask.objects.filter(name="every 3 s").update(task=dispatch.UPKEEP_TASK)
    assert [row.name for row in scheduler.enabled_models()] == ["every 3 s"]


def test_beat_goes_on_when_the_clock_was_set_back() -> None:
    app.loader.import_default_modules()
    scheduler = app.conf.beat_scheduler
    every = IntervalSchedule.objects.create(every=3, period=IntervalSchedule.SECONDS)
    row = PeriodicTask.objects.create(name="t", task=dispatch.UPKEEP_TASK, interval=every)
    from celery.utils.imports import symbol_by_name

    entry = symbol_by_name(scheduler).Entry(row, app=app)
    entry.last_run_at = datetime.now(entry.last_run_at.tzinfo) + timedelta(hours=1)
    _, wait_s = entry.is_due()
    assert wait_s <= 3


def test_beat_uses_no_connection_to_a_database_whose_file_was_moved(
    transactional_db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.loader.import_default_modules()
    from celery.utils.imports import symbol_by_name
    from django_celery_beat.schedulers import DatabaseScheduler

    file = tmp_path / "db.sqlite3"
    file.touch()
    monkeypatch.setattr("config.beat.FILE", file)
    scheduler = symbol_by_name(app.conf.beat_scheduler)(app=app, lazy=True)
    scheduler.tick()
    opened = connection.connection
    scheduler.tick()
    assert connection.connection is opened, "opening one costs as much as a tick"
    seen: list[object] = []
    monkeypatch.setattr(DatabaseScheduler, "tick", lambda self: seen.append(connection.connection))
    file.rename(tmp_path / "moved")
    scheduler.tick()
    (tmp_path / "moved").rename(file)
    connection.ensure_connection()
    scheduler.tick()
    assert seen == [None, None]


INTERRUPTED = """
import os, signal, sys
import django
django.setup()
from celery.beat import Service
from config.beat import Entry, Scheduler

def interrupted(cls, *args, **kwargs):
    print("interrupting", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("nothing interrupted it", flush=True)

def in_use(self):
    Service.sync = lambda self: print("saved", flush=True)
    raise RuntimeError("the database is in use")

Entry.from_entry, Service.sync = classmethod(interrupted), in_use
Scheduler.schedule, Scheduler.tick = {}, lambda self: 0.05
Scheduler.setup_schedule = lambda self: self.update_from_dict({"every 3 s": {}})
sys.argv = ["celery", "-A", "config", "beat", "--pidfile="]
from celery.__main__ import main
main()
"""


def test_beat_ends_on_a_signal_in_the_middle_of_a_statement() -> None:
    beat = subprocess.run([sys.executable, "-c", INTERRUPTED], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert beat.returncode == 0
    assert "interrupting" in beat.stdout
    assert "nothing interrupted it" not in beat.stdout
