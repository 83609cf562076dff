"""Fills the tables with ended runs of one user, by the database itself: four to a conversation, older than new ones."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

PER_CONVERSATION = 4
NUMBERS = {
    "sqlite": "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) {insert}",
    "postgresql": "WITH s AS (SELECT n FROM generate_series(1, {count}) AS n) {insert}",
}
IDS = {
    "sqlite": "printf('0180%08x7000800000000000000{kind}', {n})",
    "postgresql": "('0180' || lpad(to_hex({n}), 8, '0') || '7000800000000000000{kind}')::uuid",
}
CONVERSATIONS = """
    INSERT INTO conversations_conversation
        (id, user_id, title, created_at, updated_at, last_position, memory_from)
    SELECT {conversation_n}, {user}, 'An earlier question', {then}, {then}, 8, 0 FROM s"""
MESSAGES = """
    INSERT INTO conversations_message (id, conversation_id, position, role, text, rolled_back, created_at)
    SELECT {message}, {conversation}, {position}, 'user', 'what uses the most memory on this machine?', {no}, {then}
    FROM s"""
RUNS = """
    INSERT INTO runs_run
        (id, conversation_id, user_id, message_id, position, answer_id, answer, state, fence, attempts, worker, sent_at,
         rolled_back, deadline_s, options, steps, notices, usage, queued_at, started_at, finished_at)
    SELECT {run}, {conversation}, {user}, {message}, {position}, {answer}, 'The process java, with 3.2 GB.',
        CASE WHEN n % 100 = 0 THEN 'failed' WHEN n % 100 = 1 THEN 'cancelled' ELSE 'succeeded' END,
        1, 0, 'host:1:abcdef01', {then}, {no}, 120, '{{}}', '[]', '[]', '{{"model": "offline:offline"}}',
        {then}, {then}, {then}
    FROM s"""


def fill(user_id: Any, *, runs: int) -> None:
    """Write so many ended runs, with their messages and conversations, and tell the planner of them."""
    vendor = connection.vendor
    ids = IDS[vendor]
    user = f"'{user_id.hex if vendor == 'sqlite' else user_id}'"
    of_run = f"((n - 1) / {PER_CONVERSATION} + 1)"
    words = {
        "user": user if vendor == "sqlite" else f"{user}::uuid",
        "then": "'2026-01-01 00:00:00'" if vendor == "sqlite" else "'2026-01-01'::timestamptz",
        "no": "0" if vendor == "sqlite" else "false",
        "position": f"((n - 1) % {PER_CONVERSATION}) * 2 + 1",
        "conversation_n": ids.format(n="n", kind=1),
        "conversation": ids.format(n=of_run, kind=1),
        "message": ids.format(n="n", kind=2),
        "answer": ids.format(n="n", kind=3),
        "run": ids.format(n="n", kind=4),
    }
    with transaction.atomic(), connection.cursor() as cursor:
        if vendor == "postgresql":  # else every row's foreign keys are looked up at the end
            cursor.execute("SET LOCAL session_replication_role = replica")
        for statement, count in ((CONVERSATIONS, -(-runs // PER_CONVERSATION)), (MESSAGES, runs), (RUNS, runs)):
            cursor.execute(NUMBERS[vendor].format(count=count, insert=statement.format(**words)))
    if vendor == "postgresql":  # as autovacuum does by itself; nobody does it for SQLite
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE runs_run, conversations_message, conversations_conversation")
