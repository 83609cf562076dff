"""PostgreSQL, RabbitMQ and Redis are trusted by SSL_CERT_FILE, too; a server of an unknown authority gets no data."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import amqp
import pytest
import trustme

from tests.integration.test_brokers import TlsRedis, tls  # noqa: F401  (a fixture)
from tests.servers.postgresql import PostgreSQL
from tests.servers.rabbitmq import RabbitMQ

SEND = """
import django, sys
django.setup()
from django.db import connection
from aiops import dispatch, keyspace
if "database" in sys.argv:
    connection.settings_dict["OPTIONS"].pop("pool", None)
    connection.ensure_connection()
    assert connection.connection.info.pgconn.ssl_in_use
if "redis" in sys.argv:
    keyspace.sync().set("sync", 1)
if "queue" in sys.argv:
    dispatch.upkeep("reaper", request_id="one")
"""
DOCTOR = """
import django
django.setup()
from config import management
management.without_pool()
from config.doctor import servers
for finding in [*servers.database(), *servers.redis_server(), *servers.queues()]:
    print(finding.part, finding.seen, finding.cure)
"""


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return made


class TlsPostgreSQL(PostgreSQL):
    """It accepts TLS, and whoever does not ask for it."""

    def use(self, certificate: trustme.LeafCert) -> None:
        for name, text in (("server.crt", certificate.cert_chain_pems[0]), ("server.key", certificate.private_key_pem)):
            text.write_to_path(str(self._data / name))
            (self._data / name).chmod(0o600)
            if os.geteuid() == 0:
                shutil.chown(self._data / name, pwd.getpwnam("postgres").pw_uid)

    def command(self) -> Sequence[str]:
        return [*super().command(), "-c", "ssl=on"]


@pytest.fixture
def database(tmp_path: Path, authority: trustme.CA) -> Iterator[TlsPostgreSQL]:
    server = TlsPostgreSQL(tmp_path)
    server.use(authority.issue_cert("127.0.0.1"))
    server.start()
    yield server
    server.end()


class TlsRabbitMQ(RabbitMQ):
    """It listens for TLS alone."""

    @property
    def url(self) -> str:
        return f"amqps://guest:guest@{self.host}:{self.port}//"

    def use(self, certificate: trustme.LeafCert, authority: trustme.CA) -> None:
        certificate.private_key_and_cert_chain_pem.write_to_path(str(self.folder / "rabbitmq.pem"))
        authority.cert_pem.write_to_path(str(self.folder / "rabbitmq-ca.pem"))
        lines = {
            "listeners.tcp": "none",
            "listeners.ssl.1": f"{self.host}:{self.port}",
            "ssl_options.cacertfile": self.folder / "rabbitmq-ca.pem",
            "ssl_options.certfile": self.folder / "rabbitmq.pem",
            "ssl_options.keyfile": self.folder / "rabbitmq.pem",
            "ssl_options.verify": "verify_none",
            "loopback_users": "none",
        }
        (self.folder / "rabbitmq.conf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))

    def answers(self) -> bool:
        ca = {"ca_certs": str(self.folder / "rabbitmq-ca.pem")}
        try:
            with amqp.Connection(f"{self.host}:{self.port}", ssl=ca, connect_timeout=1, read_timeout=2) as connection:
                connection.connect()
                return bool(connection.connected)
        except (OSError, amqp.AMQPError):
            return False


@pytest.fixture
def rabbitmq(tmp_path: Path, authority: trustme.CA) -> Iterator[TlsRabbitMQ]:
    server = TlsRabbitMQ(tmp_path)
    server.use(authority.issue_cert("127.0.0.1"), authority)
    server.start()
    yield server
    server.end()


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def start(code: str, *parts: str, **variables: str) -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **variables}
        return subprocess.run([sys.executable, "-c", code, *parts], env=env, capture_output=True, text=True, timeout=90)

    return start


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize("root", ["system", "the file"])
def test_postgresql_is_trusted_by_ssl_cert_file_or_by_a_file_of_its_own(
    database: TlsPostgreSQL, run: Run, tmp_path: Path, root: str
) -> None:
    file = str(tmp_path / "authority.pem")
    url = f"{database.url}?sslmode=verify-full&sslrootcert={'system' if root == 'system' else file}"
    refused = run(SEND, "database", DATABASE_URL=url.replace(file, "/none"))
    assert refused.returncode != 0
    assert "certificate" in refused.stderr
    done = run(SEND, "database", DATABASE_URL=url, **({"SSL_CERT_FILE": file} if root == "system" else {}))
    assert done.returncode == 0, done.stderr


def test_rabbitmq_is_trusted_by_ssl_cert_file(rabbitmq: TlsRabbitMQ, run: Run, tmp_path: Path) -> None:
    refused = run(SEND, "queue", CELERY_BROKER_URL=rabbitmq.url)
    assert refused.returncode != 0
    assert "certificate verify failed" in refused.stderr
    done = run(SEND, "queue", CELERY_BROKER_URL=rabbitmq.url, SSL_CERT_FILE=str(tmp_path / "authority.pem"))
    assert done.returncode == 0, done.stderr


def test_redis_is_trusted_by_ssl_cert_file(tls: TlsRedis, run: Run, tmp_path: Path) -> None:  # noqa: F811
    url = f"rediss://127.0.0.1:{tls.port}/0"
    done = run(SEND, "redis", "queue", REDIS_URL=url, SSL_CERT_FILE=str(tmp_path / "ca.pem"))
    assert done.returncode == 0, done.stderr
    assert tls.client().exists("sync", "upkeep") == 2


def test_doctor_names_the_cure_for_each_server_of_an_unknown_authority(
    tls: TlsRedis,  # noqa: F811
    database: TlsPostgreSQL,
    run: Run,
) -> None:
    url = f"rediss://127.0.0.1:{tls.port}/0"
    done = run(DOCTOR, DATABASE_URL=f"{database.url}?sslmode=verify-full&sslrootcert=system", REDIS_URL=url)
    lines = done.stdout.splitlines()
    for part in ("database", "redis", "memory", "queue runs"):
        assert any(line.startswith(part) and "docs/operations/certificates.md" in line for line in lines), done.stdout
