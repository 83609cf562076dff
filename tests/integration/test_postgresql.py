"""PostgreSQL as production uses it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.servers.postgresql import PostgreSQL

MANY_AT_ONCE = """
import threading
import django
django.setup()
from django.db import connection

most = []
def look():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.05)")
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'aiops-pool-test'")
        most.append(cursor.fetchone()[0])
    connection.close()

threads = [threading.Thread(target=look) for _ in range(60)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(most), max(most))
connection.close_pool()
"""
CUT = """
import django, psycopg, sys
django.setup()
from django.db import connection

def ask():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    connection.close()
    return pid

first = ask()
with psycopg.connect(sys.argv[1], autocommit=True) as other:
    other.execute("SELECT pg_terminate_backend(%s)", [first])
print(first != ask())
connection.close_pool()
"""


def run(code: str, url: str) -> str:
    env = {**os.environ, "DATABASE_URL": f"{url}?application_name=aiops-pool-test"}
    done = subprocess.run(
        [sys.executable, "-c", code, url], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_servers_of_tests_start_again_when_another_session_of_pytest_has_closed_its_folders(tmp_path: Path) -> None:
    server = PostgreSQL(tmp_path)
    try:
        server.start()
        tmp_path.parent.chmod(0o700)
        server.restart()
        assert server.answers()
    finally:
        server.end()


def test_a_connection_that_the_server_cut_is_not_used_again(postgresql: PostgreSQL) -> None:
    assert run(CUT, postgresql.url).strip() == "True"


def test_a_process_holds_at_most_ten_connections_however_many_threads_ask(postgresql: PostgreSQL) -> None:
    answered, most = map(int, run(MANY_AT_ONCE, postgresql.url).split())
    assert answered == 60
    assert 1 < most <= 10
