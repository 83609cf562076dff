"""The queue and Redis as production has them: verified TLS, one server rather than a cluster, newer messages."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import trustme
from django.conf import settings as django_settings

from aiops import dispatch, keyspace
from tests.conftest import program
from tests.ports import free_port
from tests.servers.redis import Redis
from workers import process
from workers.process import Process

SEND = """
import django, asyncio
django.setup()
from aiops import dispatch, keyspace
from aiops.settings import current
assert dispatch.run("one")
assert dispatch.depth("runs") == 1
keyspace.sync().set("sync", 1)
async def there(): await keyspace.async_client(current().memory_redis).set("async", 1)
asyncio.run(there())
"""


class TlsRedis(Redis):
    """Debian's, since not every build can speak TLS."""

    def answers(self) -> bool:
        try:
            return bool(self.client().ping())
        except redis.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0?ssl_cert_reqs=required&ssl_ca_certs={self.folder / 'ca.pem'}"


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[TlsRedis]:
    binary = program("redis-server", package="redis-server")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "server.pem"))
    server = TlsRedis(tmp_path, binary=binary)
    certificate = tmp_path / "server.pem"
    server._options = [
        "port 0",
        f"tls-port {server.port}",
        f"tls-cert-file {certificate}",
        f"tls-key-file {certificate}",
        f"tls-ca-cert-file {tmp_path / 'ca.pem'}",
        "tls-auth-clients no",
    ]
    server.start()
    yield server
    server.end()


def send(url: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "REDIS_URL": url}
    return subprocess.run([sys.executable, "-c", SEND], env=env, capture_output=True, text=True, timeout=60)


def test_queue_events_and_memory_go_over_tls(tls: TlsRedis) -> None:
    done = send(tls.url)
    assert done.returncode == 0, done.stderr
    assert tls.client().exists("runs", "sync", "async") == 3


def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(tls: TlsRedis) -> None:
    done = send(f"rediss://127.0.0.1:{tls.port}/0")
    assert done.returncode != 0
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert tls.client().dbsize() == 0


def test_a_cluster_is_refused_in_a_sentence(tmp_path: Path) -> None:
    server = Redis(tmp_path, options=["cluster-enabled yes", f"cluster-port {free_port()}"])
    server.start()
    try:
        with pytest.raises(RuntimeError, match=r"is a cluster.*address of the primary"):
            keyspace.refuse_clusters(server.url)
    finally:
        server.end()


def test_a_redis_that_is_down_is_not_taken_for_a_cluster() -> None:
    keyspace.refuse_clusters("redis://127.0.0.1:1/0")


def test_an_old_worker_leaves_a_newer_message_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(dispatch, "run", lambda run_id, **how: sent.append((run_id, how)))
    monkeypatch.setattr(process, "PUT_BACK_S", 0.01)
    claimed: list[Any] = []
    monkeypatch.setattr(process.transitions, "claim", lambda *args, **_: claimed.append(args))
    Process(django_settings.SETTINGS).answer("run", version=dispatch.VERSION + 1)
    assert (sent, claimed) == ([("run", {"queue": "runs", "version": dispatch.VERSION + 1})], [])


def test_a_message_on_the_queue_holds_the_runs_id_and_the_version_alone(empty_redis: None) -> None:
    assert dispatch.run("one")
    message = json.loads(keyspace.sync().lpop("runs"))
    assert message["headers"]["argsrepr"] == "['one']"
    assert message["headers"]["kwargsrepr"] == f"{{'version': {dispatch.VERSION}}}"
