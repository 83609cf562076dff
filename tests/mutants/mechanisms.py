"""The mechanisms of the fault matrix: what is taken out, and the test that must fail without it.

More than 250 lines: one table.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.mutants.changes import Begin, Body, Call, Change, Entry, Expression, Keyword

MATRIX = "tests/acceptance/matrix"
WIRE = "tests/integration/tool_wire"
PAIRED = "postgresql-rabbitmq"
ONE_HOST = "sqlite-valkey"


@dataclass(frozen=True, slots=True)
class Mechanism:
    """One mechanism: ``change`` takes it out of ``scope``, a function or name of ``file``; then ``test`` must fail."""

    fault: str
    name: str
    file: str
    scope: str
    change: Change
    test: str
    only: str = ""
    """Words that choose among the test's cases, as pytest's ``-k`` takes them."""
    full: bool = False
    """Whether the test is part of the full matrix alone."""


MECHANISMS = (
    Mechanism(
        "kill -9 of each process",
        "the reaper takes expired leases back",
        "aiops/runs/reaper.py",
        "_take_back",
        Body("return Counter()"),
        f"{MATRIX}/test_processes.py::test_rounds_of_kills_lose_nothing_and_do_nothing_twice",
        ONE_HOST,
    ),
    Mechanism(
        "kill -9 of each process",
        "a call with side effects is in the row before it is made",
        "aiops/runs/work/recorder.py",
        "Recorder.tool_started",
        Expression("not safe"),
        "tests/acceptance/faults/test_lost_workers.py::test_a_worker_killed_in_a_changing_tool_call_does_not_repeat_it",
    ),
    Mechanism(
        "kill -9 of each process",
        "the supervisor restarts processes that died",
        "config/local/supervisor.py",
        "Supervisor.restart_dead",
        Call("start"),
        f"{MATRIX}/test_processes.py::test_a_rolling_restart_under_load_counts_no_attempt",
        ONE_HOST,
    ),
    Mechanism(
        "kill -9 of each process",
        "forked processes end with the fork server",
        "config/local/forkserver.py",
        "_settle",
        Call("end_with_parent"),
        "tests/integration/test_forkserver.py::test_processes_of_a_dead_fork_server_end_and_another_server_forks_again",
    ),
    Mechanism(
        "SIGTERM and rolling restart",
        "a draining worker hands its runs over",
        "workers/process.py",
        "Process._drain",
        Call("drain"),
        "tests/acceptance/faults/test_lost_workers.py::test_a_draining_worker_hands_its_run_to_another",
    ),
    Mechanism(
        "duplicate deliveries",
        "only a queued run can be claimed",
        "aiops/runs/transitions.py",
        "claim",
        Keyword("filter", "state"),
        f"{MATRIX}/test_processes.py::test_every_message_delivered_three_times_is_answered_once",
        ONE_HOST,
    ),
    Mechanism(
        "duplicate deliveries",
        "the fencing token rejects writes of an outdated claim",
        "aiops/runs/transitions.py",
        "held",
        Keyword("filter", "fence"),
        "tests/integration/test_state_machine.py",
    ),
    Mechanism(
        "duplicate deliveries",
        "a conversation's runs are claimed in order",
        "aiops/runs/transitions.py",
        "claim",
        Call("older_unfinished", "Q(pk__in=())"),
        "tests/integration/test_state_machine.py",
    ),
    Mechanism(
        "poisoned run",
        "attempts are counted and limited",
        "aiops/runs/recovery.py",
        "take_back",
        Keyword("Q", "attempts__gte", "10**6"),
        f"{MATRIX}/test_limits.py::test_a_run_whose_workers_keep_dying_is_given_up_and_says_why",
        ONE_HOST,
    ),
    Mechanism(
        "worker memory above its limit",
        "a worker checks its own memory use",
        "workers/process.py",
        "Process.start",
        Call("watch"),
        f"{MATRIX}/test_limits.py::test_a_worker_above_its_memory_limit_hands_its_runs_on_and_ends",
        ONE_HOST,
    ),
    Mechanism(
        "disk full",
        "the refusal names the cause",
        "aiops/errors.py",
        "database_problem",
        Body('return "The database does not answer: try again."'),
        f"{MATRIX}/test_limits.py::test_a_full_disk_refuses_with_the_cause_and_loses_nothing",
    ),
    Mechanism(
        "broker frozen, killed, unreachable",
        "work after a POST runs in the background",
        "aiops/background.py",
        "run_later",
        Call("submit", "_call(function, args, options)"),
        f"{MATRIX}/test_servers.py::test_a_server_that_is_away_for_a_while_loses_nothing",
        f"{PAIRED} and broker and frozen",
    ),
    Mechanism(
        "Redis frozen, killed, unreachable",
        "a run continues without memory if its server is down",
        "aiops/agent/memory/run.py",
        "RunMemory._unless_away",
        Expression("self._away", "ZeroDivisionError"),
        "tests/integration/test_memory.py",
    ),
    Mechanism(
        "database frozen, killed, unreachable",
        "a watchdog drops runs whose lease cannot be renewed",
        "workers/leases.py",
        "Leases._watch",
        Body("return"),
        "tests/integration/test_leases.py",
    ),
    Mechanism(
        "SQLite locked for 8 s",
        "writers wait for the lock",
        "config/settings.py",
        "SQLITE_OPTIONS",
        Entry("timeout", "0.2"),
        f"{MATRIX}/test_servers.py::test_an_exclusive_lock_on_sqlite_loses_nothing",
    ),
    Mechanism(
        "Redis flushed",
        "the reaper resends what the queue lost",
        "aiops/runs/reaper.py",
        "_resend_lost",
        Body("return 0"),
        f"{MATRIX}/test_servers.py::test_a_flushed_redis_loses_nothing",
        ONE_HOST,
    ),
    Mechanism(
        "Redis down, RabbitMQ up",
        "streams report that they are degraded",
        "aiops/web/doors/viewing.py",
        "watch",
        Expression("not seen and not degraded"),
        f"{MATRIX}/test_servers.py::test_without_redis_runs_are_answered_and_streams_say_so",
    ),
    Mechanism(
        "clock set by an hour",
        "leases that end too far in the future are shortened",
        "aiops/runs/reaper.py",
        "_reap",
        Call("shorten_leases"),
        "tests/integration/test_clock.py",
    ),
    Mechanism(
        "clock set by an hour",
        "the reaper pauses after the clock was set",
        "aiops/runs/reaper.py",
        "_reap",
        Call("was_set", "False"),
        "tests/integration/test_clock.py",
    ),
    Mechanism(
        "a tool blocks the loop for 20 s",
        "a dedicated thread renews leases",
        "workers/leases.py",
        "Leases._renew",
        Begin("self._loop.submit(__import__('asyncio').sleep(0)).result()"),
        "tests/integration/test_process.py::test_a_tool_that_blocks_the_loop_for_many_leases_loses_no_run",
    ),
    Mechanism(
        "10,000 runs wait for a worker",
        "a dedicated thread shows that a worker is alive",
        "workers/leases.py",
        "Leases._report_presence",
        Body("return"),
        "tests/integration/test_leases.py::test_a_renewal_that_hangs_does_not_make_its_worker_look_dead",
    ),
    Mechanism(
        "10,000 runs wait for a worker",
        "a run that is still in the queue is not resent",
        "aiops/runs/reaper.py",
        "_find_suspects",
        Call("depth", "0"),
        f"{MATRIX}/test_servers.py::test_a_backlog_without_workers_is_not_copied_and_then_answered",
        ONE_HOST,
    ),
    Mechanism(
        "10,000 runs wait for a worker",
        "a run that a worker holds unclaimed is not resent",
        "aiops/runs/reaper.py",
        "_find_suspects",
        Call("held_unclaimed", "0"),
        "tests/integration/test_reaper.py",
    ),
    Mechanism(
        "messages that no worker can read",
        "dead letters are kept",
        "config/celery.py",
        "QUORUM",
        Entry("x-dead-letter-exchange"),
        f"{MATRIX}/test_servers.py::test_a_message_that_no_worker_can_read_is_kept_as_a_dead_letter_and_reported",
        PAIRED,
    ),
    Mechanism(
        "rolling upgrade",
        "a message of a newer version is left to a newer worker",
        "workers/process.py",
        "Process.answer",
        Expression("version > dispatch.VERSION"),
        "tests/integration/test_brokers.py",
    ),
    Mechanism(
        "hosts cut off from the network",
        "a worker that is cut off drops its runs",
        "workers/leases.py",
        "Leases._watch",
        Body("return"),
        f"{MATRIX}/test_hosts.py::test_a_worker_cut_off_from_everything_drops_its_runs_before_another_claims_them",
        full=True,
    ),
    Mechanism(
        "servers unreachable",
        "work after a POST runs in the background",
        "aiops/background.py",
        "run_later",
        Call("submit", "_call(function, args, options)"),
        f"{MATRIX}/test_servers.py::test_a_server_that_is_away_for_a_while_loses_nothing",
        f"{PAIRED} and broker and unreachable",
        full=True,
    ),
    Mechanism(
        "a tool server dies in its answer",
        "an answer that is cut off ends its call",
        "aiops/tool_servers/client/http.py",
        "Events.__aiter__",
        Call("cut_off", "b''"),
        f"{WIRE}/test_rude_http.py::test_a_changing_call_whose_answer_is_cut_off_fails_at_once",
    ),
    Mechanism(
        "a tool server sends without end",
        "what is compressed is not read",
        "aiops/tool_servers/client/http.py",
        "Client.send",
        Expression("response.headers.get('Content-Encoding', 'identity').lower() != 'identity'"),
        f"{WIRE}/test_rude_http.py::test_an_answer_that_grows_when_it_is_unpacked_is_not_unpacked",
    ),
    Mechanism(
        "a tool server sends without end",
        "reading what is no message pauses",
        "aiops/tool_servers/client/stdio.py",
        "_read",
        Expression("busy_s > BUSY_S"),
        f"{WIRE}/test_rude_commands.py::test_a_command_that_writes_junk_without_end_holds_nobody_up",
    ),
    Mechanism(
        "a worker dies around a decision",
        "an approved call begins once",
        "aiops/approvals/permitting.py",
        "begin",
        Keyword("filter", "state__in"),
        "tests/integration/approvals/test_state_machine.py",
    ),
    Mechanism(
        "a worker dies around a decision",
        "a call of unknown outcome is asked about again",
        "aiops/runs/work/consent.py",
        "Consent.unknown",
        Body("return []"),
        "tests/integration/approvals/test_surviving.py::test_after_a_death_in_mid_call_only_a_person_has_it_made_again",
    ),
    Mechanism(
        "a stored step is changed",
        "a call is compared with the one that was decided about",
        "aiops/approvals/permitting.py",
        "_said",
        Expression("made != (call.name, call.number, hash_of_arguments(call.arguments))"),
        "tests/integration/approvals/test_surviving.py"
        "::test_a_call_that_differs_from_the_one_that_was_decided_about_is_refused",
    ),
)
