"""PostgreSQL as production uses it."""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg

from tests.conftest import missing

URL = "postgres://postgres@127.0.0.1:5432/postgres"
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


def test_a_process_holds_at_most_ten_connections_however_many_threads_ask() -> None:
    try:
        psycopg.connect(URL, connect_timeout=2).close()
    except psycopg.OperationalError:
        missing(f"PostgreSQL at {URL}")
    env = {**os.environ, "DATABASE_URL": f"{URL}?application_name=aiops-pool-test"}
    done = subprocess.run(
        [sys.executable, "-c", MANY_AT_ONCE], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    answered, most = map(int, done.stdout.split())
    assert answered == 60
    assert 1 < most <= 10
