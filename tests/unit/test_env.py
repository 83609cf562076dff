"""The environment is read strictly; every problem has its name, its value and its cure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trustme

from config import env
from config.env import BadEnvironment


def problems(**values: str) -> list[str]:
    with pytest.raises(BadEnvironment) as caught:
        env.read(values)
    return caught.value.problems


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = env.read({})
    assert settings.environment == "LAB"
    assert settings.lease_s == 10


def test_every_problem_of_the_environment_is_reported_at_once() -> None:
    reported = problems(AIOPS_LEASE_S="soon", AIOPS_ENVIRONMENT="HOME", REDIS_URL="http://x", AIOPS_TYPO="1")
    assert len(reported) == 4
    assert any("AIOPS_LEASE_S='soon'" in p for p in reported)
    assert any("AIOPS_TYPO is not a variable" in p for p in reported)
    assert any("REDIS_URL must begin with redis://" in p for p in reported)


def test_a_secret_is_not_repeated_in_a_problem() -> None:
    assert "hunter2" not in " ".join(problems(AIOPS_SECRET_KEY="hunter2"))


def test_a_lease_must_outlast_two_heartbeats() -> None:
    assert "must outlast two heartbeats" in problems(AIOPS_LEASE_S="4", AIOPS_HEARTBEAT_S="3")[0]


def test_beat_counts_in_whole_seconds() -> None:
    assert "AIOPS_REAPER_S='0.5'" in problems(AIOPS_REAPER_S="0.5")[0]


@pytest.mark.parametrize("trusted", ["127.0.0.1", "10.0.0.0/8, ::1", "*", "2001:db8::/32"])
def test_proxies_are_addresses_or_networks(trusted: str) -> None:
    assert env.read({"FORWARDED_ALLOW_IPS": trusted}).forwarded_allow_ips == trusted


@pytest.mark.parametrize("trusted", ["proxy", "10.0.0.5/8", "*,127.0.0.1", "127.0.0.1:443", "[::1]", "127.0.0.1 ::1"])
def test_a_proxy_that_uvicorn_would_silently_not_trust_is_named(trusted: str) -> None:
    (problem,) = problems(FORWARDED_ALLOW_IPS=trusted)
    assert problem.startswith("FORWARDED_ALLOW_IPS: ")
    assert "such as 10.0.0.0/8" in problem


def test_the_proxies_of_a_dotenv_reach_the_processes_that_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("FORWARDED_ALLOW_IPS=192.0.2.7\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    env.load()
    assert os.environ.pop("FORWARDED_ALLOW_IPS") == "192.0.2.7"  # uvicorn reads it from there


def test_a_bad_pattern_is_named() -> None:
    assert "not a regular expression" in problems(AIOPS_REDACT_PATTERNS='["("]')[0]


def test_a_secret_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("k" * 60 + "\n")
    assert env.read({"AIOPS_SECRET_KEY_FILE": str(path)}).secret_key.get_secret_value() == "k" * 60


def test_a_missing_secret_file_is_named(tmp_path: Path) -> None:
    assert "cannot be read" in problems(AIOPS_TOKEN_FILE=str(tmp_path / "none"))[0]


def test_only_secrets_come_from_files(tmp_path: Path) -> None:
    assert "not a variable" in problems(LOG_LEVEL_FILE=str(tmp_path))[0]


def test_values_for_headers_may_have_any_name_under_their_prefix() -> None:
    assert env.read({"AIOPS_SECRET_NETBOX": "x"})


@pytest.mark.parametrize(
    ("written", "reported"),
    [
        ('{"x": {"url": 5}}', "url"),
        ('{"x": {"url": "ftp://x"}}', "url"),
        ('{"x y": {"url": "http://x"}}', "a name has lower case"),
        ('{"x": {"adress": "http://x"}}', "adress"),
        ('{"x": {"url": "http://x", "command": "y"}}', "either a url or a command"),
        ('{"x": {"url": "http://x", "headers": {"A": "env:AIOPS_SECRET_NO"}}}', "AIOPS_SECRET_NO is not set"),
        ('{"x": {"url": "http://x", "headers": {"A": "env:PATH"}}}', "must begin with AIOPS_SECRET_"),
    ],
)
def test_a_tool_server_that_cannot_be_used_is_reported_at_the_start(written: str, reported: str) -> None:
    assert any("AIOPS_TOOL_SERVERS['x" in p and reported in p for p in problems(AIOPS_TOOL_SERVERS=written))


def test_previous_secret_keys_are_read_from_a_file_too(tmp_path: Path) -> None:
    first, second = "a" * 50, "b" * 64
    (tmp_path / "keys").write_text(f"{first},\n {second}\n")
    settings = env.read({"AIOPS_SECRET_KEY_FALLBACKS_FILE": str(tmp_path / "keys")})
    assert settings.previous_secret_keys() == [first, second]


def test_a_short_previous_secret_key_is_reported_and_not_shown() -> None:
    (reported,) = problems(AIOPS_SECRET_KEY="k" * 60, AIOPS_SECRET_KEY_FALLBACKS=f"{'a' * 60},hunter2")
    assert reported.startswith("AIOPS_SECRET_KEY_FALLBACKS=(hidden)")
    assert "hunter2" not in reported


def test_parameters_that_amqps_does_not_take_are_reported_with_the_cure() -> None:
    (reported,) = problems(CELERY_BROKER_URL="amqps://u:hunter2@rabbit//?ssl_ca_certs=/ca.pem")
    assert "put the authority into the file that SSL_CERT_FILE names" in reported
    assert "hunter2" not in reported


@pytest.mark.parametrize(
    ("content", "reported"), [(None, "No such file"), ("not PEM", "no certificate"), ("", "no certificate")]
)
def test_a_file_of_authorities_that_cannot_be_used_is_reported_at_the_start(
    tmp_path: Path, content: str | None, reported: str
) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    (problem,) = problems(SSL_CERT_FILE=str(path))
    assert problem.startswith(f"SSL_CERT_FILE={path} ")
    assert reported in problem


def test_a_file_of_authorities_that_only_dotenv_names_is_used_for_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / ".env").write_text(f"SSL_CERT_FILE={tmp_path / 'ca.pem'}\n")
    monkeypatch.setenv("SSL_CERT_FILE", "")
    monkeypatch.delenv("SSL_CERT_FILE")
    monkeypatch.chdir(tmp_path)
    env.export_authorities(env.read())
    assert os.environ["SSL_CERT_FILE"] == str(tmp_path / "ca.pem")


@pytest.mark.parametrize("url", ["sentinel://a:26379", "redis+sentinel://a:26379/mymaster", "rediscluster://a:6379"])
def test_sentinel_and_cluster_are_refused_with_the_cure(url: str) -> None:
    with pytest.raises(BadEnvironment, match="not supported: give the address of the primary"):
        env.read({"REDIS_URL": url})


def test_memory_in_postgresql_needs_postgresql() -> None:
    with pytest.raises(BadEnvironment, match="set DATABASE_URL to postgres"):
        env.read({"AIOPS_CHECKPOINTER": "postgres"})


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "AIOPS_TOKEN", "AIOPS_METRICS_TOKEN", "LLM_MODEL", "OPENAI_BASE_URL"]
)
def test_space_around_a_value_is_no_part_of_it(name: str) -> None:
    value = "https://x" if name.endswith("URL") else "sk-canary"
    settings = env.read({name: f" {value}\r\n"})
    field = env.variables().get(name)
    found = getattr(settings, field) if field else settings.of_provider(name)
    assert (found if isinstance(found, str) else found.get_secret_value()) == value


def test_the_path_of_the_home_keeps_its_spaces() -> None:
    assert env.read({"AIOPS_HOME": "with space "}).home == Path("with space ")


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "AIOPS_TOKEN", "AIOPS_METRICS_TOKEN"])
def test_a_key_of_several_lines_is_reported_and_not_shown(name: str) -> None:
    (reported,) = problems(**{name: "sk-canary\nX-Other: 1"})
    assert "no header can carry" in reported
    assert "canary" not in reported


def test_a_secret_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe\x00")
    (reported,) = problems(OPENAI_API_KEY_FILE=str(tmp_path / "key"))
    assert "cannot be read" in reported


LINKS = {
    "AIOPS_SERVICE_HOST": "10.96.14.7",
    "AIOPS_SERVICE_PORT": "8000",
    "AIOPS_SERVICE_PORT_HTTP": "8000",
    "AIOPS_PORT": "tcp://10.96.14.7:8000",
    "AIOPS_PORT_8000_TCP": "tcp://10.96.14.7:8000",
    "AIOPS_PORT_8000_TCP_PROTO": "tcp",
    "AIOPS_PORT_8000_TCP_PORT": "8000",
    "AIOPS_PORT_8000_TCP_ADDR": "fd00::7",
    "AIOPS_WEB_PORT": "tcp://10.96.14.8:80",
    "AIOPS_WEB_SERVICE_HOST": "10.96.14.8",
}
"""What Kubernetes sets for the Services aiops and aiops-web."""


def test_variables_that_kubernetes_sets_for_a_service_of_our_name_are_no_problem() -> None:
    assert env.read({**LINKS, "AIOPS_ENVIRONMENT": "LAB"}).environment == "LAB"


@pytest.mark.parametrize(("name", "value"), [("AIOPS_PORT", "8000"), ("AIOPS_SERVICE_HOST", "db.example.org")])
def test_a_variable_that_only_looks_like_one_of_kubernetes_is_a_problem(name: str, value: str) -> None:
    assert f"{name} is not a variable" in problems(**{name: value})[0]


def test_flower_does_not_get_kubernetes_variables_as_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**LINKS, "FLOWER_PORT": "tcp://10.96.14.9:5555", "FLOWER_ADDRESS": "0.0.0.0"}.items():
        monkeypatch.setenv(name, value)
    env.load()
    assert not [name for name in ("AIOPS_PORT", "FLOWER_PORT", "AIOPS_WEB_SERVICE_HOST") if name in os.environ]
    assert os.environ["FLOWER_ADDRESS"] == "0.0.0.0"


@pytest.mark.parametrize("password", ["Ab/9+c=Q", "a#b", "a?b", "[x"])
def test_a_password_that_no_address_can_hold_is_reported_with_the_cure(password: str) -> None:
    (problem,) = problems(DATABASE_URL=f"postgres://aiops:{password}@db:5432/aiops")
    assert problem.startswith("DATABASE_URL=(hidden) cannot be read")
    assert "%2F" in problem
    assert password not in problem


@pytest.mark.parametrize("password", ["Ab/9+c=Q", "a#b", "12?b"])
@pytest.mark.parametrize(
    ("name", "start"),
    [("REDIS_URL", "redis://:"), ("CELERY_BROKER_URL", "amqp://aiops:"), ("REDIS_URL", "rediss://u:")],
)
def test_a_password_that_no_servers_address_can_hold_is_reported(name: str, start: str, password: str) -> None:
    assert f"{name}=(hidden) cannot be read" in " ".join(problems(**{name: f"{start}{password}@host:1234/0"}))


@pytest.mark.parametrize(
    "url", ["postgres:///db?host=/run/postgresql", "postgres://u:a%2Fb@[::1]:5432/db", "sqlite:///x#y"]
)
def test_addresses_of_every_kind_are_read(url: str) -> None:
    assert env.read({"DATABASE_URL": url, "REDIS_URL": "redis://:p%23w@[::1]:6379/0"}).environment == "LAB"
