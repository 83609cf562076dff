"""The mechanisms of the fault matrix: what is taken out, and the test that must fail without it."""

from __future__ import annotations

from dataclasses import dataclass

MATRIX = "tests/acceptance/matrix"
PAIRED = "postgresql-rabbitmq"
ONE_HOST = "sqlite-valkey"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism: in ``file`` the text ``old``, found once, becomes ``new``; then ``test`` must fail."""

    fault: str
    name: str
    file: str
    old: str
    new: str
    test: str
    only: str = ""
    """Words that choose among the test's cases, as pytest's ``-k`` takes them."""
    full: bool = False
    """Whether the test is part of the full matrix alone."""


MECHANISMS = (
    Mechanism(
        "kill -9 of each process",
        "the reaper takes expired leases back",
        "aiops/upkeep/jobs/reaper.py",
        "    taken = _take_back(settings)\n",
        "    taken = 0\n",
        f"{MATRIX}/test_processes.py::test_rounds_of_kills_lose_nothing_and_do_nothing_twice",
        ONE_HOST,
    ),
    Mechanism(
        "kill -9 of each process",
        "a call with effects is in the row before it is made",
        "aiops/runs/recorder.py",
        "        if not safe:\n            await self._write_steps()\n",
        "",
        "tests/acceptance/test_faults.py::test_a_worker_killed_in_a_changing_tool_call_does_not_repeat_it",
    ),
    Mechanism(
        "kill -9 of each process",
        "the supervisor starts again what died",
        "config/supervisor.py",
        "            if child.restart_at is not None and now >= child.restart_at:\n",
        "            if False:\n",
        f"{MATRIX}/test_processes.py::test_a_rolling_restart_under_load_counts_no_attempt",
        ONE_HOST,
    ),
    Mechanism(
        "kill -9 of each process",
        "what the fork server forked ends with it",
        "config/forkserver.py",
        "    end_with_parent(signal.SIGTERM)\n    if os.getppid()",
        "    if os.getppid()",
        "tests/integration/test_forkserver.py::test_what_a_dead_server_forked_ends_and_another_server_forks_again",
    ),
    Mechanism(
        "SIGTERM and rolling restart",
        "a stopping worker hands its runs back",
        "workers/process.py",
        "            self.leases.drain()\n",
        "",
        "tests/acceptance/test_faults.py::test_a_worker_asked_to_stop_hands_its_run_on",
    ),
    Mechanism(
        "duplicate deliveries",
        "only what is queued can be claimed",
        "aiops/conversations/transitions.py",
        "(), pk=run_id, state=State.QUEUED)",
        "(), pk=run_id)",
        f"{MATRIX}/test_processes.py::test_every_message_delivered_three_times_is_answered_once",
        ONE_HOST,
    ),
    Mechanism(
        "duplicate deliveries",
        "an outdated claim writes nothing (the fence)",
        "aiops/conversations/transitions.py",
        "pk=claim.run_id, fence=claim.fence, state",
        "pk=claim.run_id, state",
        "tests/integration/test_state_machine.py",
    ),
    Mechanism(
        "duplicate deliveries",
        "a conversation's runs are claimed in order",
        "aiops/conversations/transitions.py",
        "Run.objects.filter(~older_unfinished(), pk=run_id",
        "Run.objects.filter(pk=run_id",
        "tests/integration/test_state_machine.py",
    ),
    Mechanism(
        "poisoned run",
        "attempts are counted, and end",
        "aiops/conversations/transitions.py",
        "last = Q(attempts__gte=max_attempts)",
        "last = Q(attempts__gte=10**6)",
        f"{MATRIX}/test_limits.py::test_a_run_whose_workers_keep_dying_is_given_up_and_says_why",
        ONE_HOST,
    ),
    Mechanism(
        "memory of a worker past its limit",
        "a worker looks at its own size",
        "workers/process.py",
        "        size.watch(self.settings, self._draining)\n",
        "",
        f"{MATRIX}/test_limits.py::test_a_worker_that_holds_too_much_memory_hands_its_runs_on_and_ends",
        ONE_HOST,
    ),
    Mechanism(
        "disk full",
        "the refusal names the cause",
        "aiops/web/api/problems.py",
        "full = tells_of_full_disk(error)",
        "full = False",
        f"{MATRIX}/test_limits.py::test_a_full_disk_refuses_with_the_cause_and_loses_nothing",
    ),
    Mechanism(
        "broker frozen, killed, unreachable",
        "what follows a POST is done in the background",
        "aiops/web/background.py",
        "    _pool.submit(_call, function, args, options)\n",
        "    _call(function, args, options)\n",
        f"{MATRIX}/test_servers.py::test_a_server_that_is_away_for_a_while_loses_nothing",
        f"{PAIRED} and broker and frozen",
    ),
    Mechanism(
        "Redis frozen, killed, unreachable",
        "a run does without memory whose server is away",
        "aiops/agent/memory/run.py",
        "            except self._away as error:\n                self._lose(error)\n        place",
        "            except ZeroDivisionError as error:\n                self._lose(error)\n        place",
        "tests/integration/test_memory.py",
    ),
    Mechanism(
        "database frozen, killed, unreachable",
        "a watchdog gives leases up that cannot be renewed",
        "workers/leases.py",
        '            threading.Thread(target=self._watch, name="watchdog", daemon=True),\n',
        "",
        "tests/integration/test_leases.py",
    ),
    Mechanism(
        "SQLite locked for 8 s",
        "writers wait for the lock",
        "config/settings.py",
        '    "timeout": 10,\n',
        '    "timeout": 0.2,\n',
        f"{MATRIX}/test_servers.py::test_an_exclusive_lock_on_sqlite_loses_nothing",
    ),
    Mechanism(
        "Redis flushed",
        "what the queue lost is sent again",
        "aiops/upkeep/jobs/reaper.py",
        '"sent_again": _send_again(settings)}',
        '"sent_again": 0}',
        f"{MATRIX}/test_servers.py::test_a_flushed_redis_loses_nothing",
        ONE_HOST,
    ),
    Mechanism(
        "Redis gone, RabbitMQ there",
        "streams say that they are degraded",
        "aiops/web/doors/viewing.py",
        "                if not seen and not degraded:\n",
        "                if False:\n",
        f"{MATRIX}/test_servers.py::test_without_redis_runs_are_answered_and_streams_say_so",
    ),
    Mechanism(
        "clock set by an hour",
        "leases that end too far ahead are shortened",
        "aiops/upkeep/jobs/reaper.py",
        "    transitions.shorten_leases(lease_s=settings.lease_s)\n",
        "",
        "tests/integration/test_clock.py",
    ),
    Mechanism(
        "clock set by an hour",
        "the reaper rests when the clock was set",
        "aiops/upkeep/jobs/reaper.py",
        "    if clock.was_set():\n",
        "    if False:\n",
        "tests/integration/test_clock.py",
    ),
    Mechanism(
        "a tool blocks the loop for 20 s",
        "leases are renewed by a thread of their own",
        "workers/leases.py",
        "            held = self._all()\n            try:\n                if held:\n",
        "            held = self._all()\n            try:\n                "
        "self._loop.submit(__import__('asyncio').sleep(0)).result()\n                if held:\n",
        "tests/integration/test_process.py::test_a_tool_that_blocks_the_loop_for_many_leases_loses_no_run",
    ),
    Mechanism(
        "10,000 runs wait for a worker",
        "what waits in the queue is not lost",
        "aiops/upkeep/jobs/reaper.py",
        "sent.count() - dispatch.depth(queue) - _held(settings, queue)",
        "sent.count()",
        f"{MATRIX}/test_servers.py::test_a_backlog_without_workers_is_not_copied_and_then_answered",
        ONE_HOST,
    ),
    Mechanism(
        "10,000 runs wait for a worker",
        "what workers hold unclaimed is not lost",
        "aiops/upkeep/jobs/reaper.py",
        " - _held(settings, queue)",
        "",
        "tests/integration/test_reaper.py",
    ),
    Mechanism(
        "messages that no worker can read",
        "dead letters are kept",
        "config/celery.py",
        ', "x-dead-letter-exchange": dispatch.DEAD_QUEUE}',
        "}",
        f"{MATRIX}/test_servers.py::test_what_no_worker_can_read_is_kept_as_a_dead_letter_and_told",
        PAIRED,
    ),
    Mechanism(
        "rolling upgrade",
        "a newer message is left to a newer worker",
        "workers/process.py",
        "        if version > dispatch.VERSION:\n",
        "        if False:\n",
        "tests/integration/test_brokers.py",
    ),
    Mechanism(
        "hosts with pulled cables",
        "a worker that is cut off gives its runs up",
        "workers/leases.py",
        '            threading.Thread(target=self._watch, name="watchdog", daemon=True),\n',
        "",
        f"{MATRIX}/test_hosts.py::test_a_worker_cut_off_from_everything_gives_its_runs_up_before_another_has_them",
        full=True,
    ),
    Mechanism(
        "servers unreachable",
        "what follows a POST is done in the background",
        "aiops/web/background.py",
        "    _pool.submit(_call, function, args, options)\n",
        "    _call(function, args, options)\n",
        f"{MATRIX}/test_servers.py::test_a_server_that_is_away_for_a_while_loses_nothing",
        f"{PAIRED} and broker and unreachable",
        full=True,
    ),
)
