"""docker-compose.yml on a real Docker Engine: it comes up, answers, survives kills, scales, upgrades and restores."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.acceptance.model_server import ModelServer
from tests.acceptance.system import eventually
from tests.deploy import images
from tests.deploy.engine import Engine
from tests.deploy.installation import PASSWORD, ROOT, Installation, blocks
from tests.ports import free_port

BACKUP = (ROOT / "docs/operations/backup.md").read_text()
GATEWAY = "172.30.217.1"
TEST_TIMEOUT_S = 1_800

pytestmark = pytest.mark.timeout(TEST_TIMEOUT_S)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine()
    try:
        made.start()
        images.make(made)
        with made.entered():
            yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def model(engine: Engine) -> Iterator[ModelServer]:
    """A language model's server on the containers' host."""
    made = ModelServer(free_port(), host="0.0.0.0")
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def installed(engine: Engine, model: ModelServer, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    made = Installation(engine, tmp_path_factory.mktemp("host") / "aiops")
    made.bring_up(OPENAI_API_KEY="not-a-key", OPENAI_BASE_URL=f"http://{GATEWAY}:{model.port}/v1", LLM_MODEL="scripted")
    return made


def slowly(words: int) -> str:
    return f"slowly DO {json.dumps({'words': words, 'pause': 0.5})}"


def test_all_services_come_up_and_doctor_and_a_question_find_them_well(installed: Installation) -> None:
    doctor, chat = blocks()[4].strip().splitlines()
    checked = installed.sh(doctor.replace("AIOPS_TOKEN=…", f"AIOPS_TOKEN={installed.token}"))
    assert "DOWN" not in checked
    assert "workers" in checked
    answered = installed.sh(chat.replace("AIOPS_TOKEN=…", f"AIOPS_TOKEN={installed.token}"))
    assert answered.strip()


def test_one_image_runs_everywhere_and_each_container_is_limited(installed: Installation) -> None:
    ours = installed.containers("web", "worker-runs", "worker-batch", "worker-upkeep", "beat")
    inspected = json.loads(installed.engine.docker("inspect", *ours).stdout)
    assert len({one["Image"] for one in inspected}) == 1
    for one in inspected:
        assert one["HostConfig"]["Memory"] > 0
        assert one["HostConfig"]["ReadonlyRootfs"]
        assert one["HostConfig"]["LogConfig"]["Config"]["max-size"] == "10m"
        assert one["Config"]["User"] == "aiops"


def test_a_person_with_wrong_passwords_holds_up_nobody_behind_the_same_proxy(installed: Installation) -> None:
    """The web sees the published port's clients at the gateway, and believes what a proxy there says of them."""
    with installed.client("aiops_wrong") as client:
        refused = [client.get("/api/runs/", headers={"X-Forwarded-For": "192.0.2.7"}).status_code for _ in range(500)]
        assert 429 in refused
        assert client.get("/api/runs/", headers={"X-Forwarded-For": "192.0.2.8"}).status_code == 401


def test_a_killed_worker_loses_no_run_and_comes_back(installed: Installation, model: ModelServer) -> None:
    run_id = installed.ask(slowly(20))["run"]["id"]
    eventually(lambda: any("slowly" in question for question in model.calls), what="the model's work")
    (worker,) = installed.containers("worker-runs")
    installed.engine.docker("kill", "--signal", "KILL", worker)
    installed.sh("docker compose up -d")
    ended = installed.ended(run_id, within_s=120)
    assert ended["state"] == "succeeded"
    assert ended["attempts"] == 1, ended  # crashes


def test_a_broker_that_is_made_anew_keeps_its_queues(installed: Installation) -> None:
    installed.sh("docker compose stop worker-runs")
    run_id = installed.ask("what can you do?")["run"]["id"]
    installed.sh("docker compose rm --force --stop rabbitmq && docker compose up -d")
    assert installed.ended(run_id, within_s=180)["state"] == "succeeded"


def test_more_workers_are_one_option_and_each_takes_runs(installed: Installation) -> None:
    (scale,) = (line for line in blocks_of_text() if "--scale" in line)
    installed.sh(scale.replace("worker-runs=4", "worker-runs=2"))
    eventually(
        lambda: [installed.health().get(name) for name in ("worker-runs", "worker-batch")] == [["healthy"] * 2] * 2,
        within_s=240,
        what="two workers of each kind",
    )
    checked = [""]

    def look() -> bool:
        checked[0] = installed.sh(f"docker compose exec -e AIOPS_TOKEN={installed.token} web aiops doctor")
        return "5 on 5 hosts answered" in checked[0]

    eventually(look, within_s=60, what="five workers' answers")
    assert "DOWN" not in checked[0]


def blocks_of_text() -> list[str]:
    """Return the indented commands of the page."""
    page = (ROOT / "docs/operations/compose.md").read_text()
    return [line.strip() for line in page.splitlines() if line.startswith("    docker compose")]


def test_an_upgrade_and_its_rollback_lose_no_run(installed: Installation) -> None:
    (upgrade,) = (block for block in blocks() if "TAG=" in block)
    assert "0.2.0" in upgrade
    during = installed.ask(slowly(40))["run"]["id"]
    installed.sh(upgrade)
    assert installed.ended(during, within_s=180)["state"] == "succeeded"
    assert tags(installed) == {"aiops:0.2.0"}
    back = "\n".join(line for line in upgrade.splitlines() if " build" not in line and " migrate" not in line)
    installed.sh(back.replace("0.2.0", "0.1.0"))
    assert tags(installed) == {"aiops:0.1.0"}
    eventually(installed.is_healthy, within_s=240, what="health")
    assert installed.ended(installed.ask("what can you do?")["run"]["id"], within_s=120)["state"] == "succeeded"


def tags(installed: Installation) -> set[str]:
    ours = installed.containers("web", "worker-runs", "worker-batch", "worker-upkeep", "beat")
    return {one["Config"]["Image"] for one in json.loads(installed.engine.docker("inspect", *ours).stdout)}


def test_a_dump_brings_back_what_was_lost_and_what_came_later_is_gone(installed: Installation) -> None:
    dump, restore = blocks(BACKUP.partition("\n## Compose")[2].partition("\n## ")[0])
    kept = installed.ask("what can you do?")
    installed.ended(kept["run"]["id"], within_s=120)
    installed.sh(dump)
    later = installed.ask("hello")
    installed.ended(later["run"]["id"], within_s=120)
    with installed.client() as client:
        assert client.delete(f"/api/conversations/{kept['conversation']}/").is_success
    installed.sh(restore)
    eventually(installed.is_healthy, within_s=240, what="health")
    with installed.client() as client:
        back = client.get(f"/api/runs/{kept['run']['id']}/")
        assert (back.status_code, back.json()["state"]) == (200, "succeeded")
        assert client.get(f"/api/runs/{later['run']['id']}/").status_code == 404
    assert installed.ended(installed.ask("hello")["run"]["id"], within_s=120)["state"] == "succeeded"


def test_flower_wants_its_profile_and_a_password(installed: Installation) -> None:
    assert installed.engine.docker("ps", "-q", "--filter", "label=com.docker.compose.service=flower").stdout == ""
    done = installed.engine.docker("run", "--rm", "aiops:0.1.0", "aiops", "flower", check=False)
    assert done.returncode == 1
    assert "set FLOWER_BASIC_AUTH=user:password" in done.stderr


def test_a_wrong_variable_stops_the_start_with_its_name(installed: Installation) -> None:
    environment = ["-e", "POSTGRES_PASSWORD=Ab/9+c=Q", "-e", f"AIOPS_SECRET_KEY={PASSWORD}"]
    done = installed.engine.docker("run", "--rm", *environment, "aiops:0.1.0", "aiops", "env", "check", check=False)
    assert done.returncode == 1
    assert "POSTGRES_PASSWORD has characters" in done.stdout
    assert "AIOPS_SECRET_KEY" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
