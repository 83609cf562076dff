"""systemd takes the units of ``deploy/systemd`` as they are, and they start what the Procfile starts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from aiops.settings import Settings
from config import env
from tests.conftest import program
from tests.deploy.commands import ROOT, procfile, shape, worker_name

UNITS = ROOT / "deploy/systemd"
COMMON = UNITS / "aiops-.service.d/10-common.conf"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
STARTED = {  # process of the Procfile → its unit
    "web": "aiops-web.service",
    "worker-runs": "aiops-runs@.service",
    "worker-batch": "aiops-batch@.service",
    "worker-upkeep": "aiops-upkeep.service",
    "beat": "aiops-beat.service",
}
FLOWER = "aiops-flower.service"
WORKERS = [unit for process, unit in STARTED.items() if process.startswith("worker-")]
THRESHOLD = "30"
"""The most exposure that `systemd-analyze security` may find, in tenths."""


def entries(path: Path) -> list[tuple[str, str]]:
    """Return (key, value) of each line that sets something."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [(key, value) for key, found, value in (line.partition("=") for line in lines) if found and key[0] != "#"]


def settings_of(unit: str) -> dict[str, str]:
    """Return what a unit and the common part set; of a key that stands twice, the last value."""
    return dict(entries(UNITS / unit)) | dict(entries(COMMON))


def words(unit: str, key: str = "ExecStart") -> list[str]:
    return shlex.split(settings_of(unit)[key].replace("%%", "%").replace("$$", "$"))


def instance(unit: str) -> str:
    return unit.replace("@.", "@1.")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with the system's own units, ours, and something at the paths that they start."""
    made = tmp_path_factory.mktemp("root")
    theirs = Path("/usr/lib/systemd/system")
    if theirs.is_dir():
        shutil.copytree(theirs, made / "usr/lib/systemd/system", symlinks=True)
    shutil.copytree(UNITS, made / "etc/systemd/system")
    for unit in SERVICES:
        for key in {"ExecStart", "ExecCondition"} & settings_of(unit).keys():
            path = made / words(unit, key)[0].lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
            path.chmod(0o755)
    return made


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("systemd-analyze", package="systemd"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("unit", [*SERVICES, "aiops.target"])
def test_systemd_has_no_complaint_about_a_unit(root: Path, unit: str) -> None:
    done = analyze("verify", "--man=no", f"--root={root}", instance(unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_program_that_is_not_installed_and_an_unknown_key_would_be_reported(root: Path) -> None:
    ours = root / "etc/systemd/system"
    (ours / "broken.service").write_text("[Service]\nExecStart=/opt/aiops/bin/no-such\nProtectSistem=strict\n")
    done = analyze("verify", "--man=no", f"--root={root}", "broken.service")
    assert done.returncode != 0
    assert "no-such is not executable" in done.stderr
    assert "ProtectSistem" in done.stderr


@pytest.mark.parametrize("unit", SERVICES)
def test_a_unit_may_do_little_else_than_its_work(root: Path, unit: str) -> None:
    done = analyze("security", "--offline=true", f"--threshold={THRESHOLD}", f"--root={root}", instance(unit))
    assert done.returncode == 0, done.stdout[-300:]
    assert "Overall exposure level" in done.stdout


def test_every_process_of_the_procfile_has_a_unit_that_starts_the_same() -> None:
    commands = procfile()
    assert set(STARTED) == set(commands)
    assert {*STARTED.values(), FLOWER, "aiops-migrate.service"} == set(SERVICES)
    for process, unit in STARTED.items():
        assert shape(words(unit)) == shape(commands[process]), unit
        assert worker_name(words(unit)) == worker_name(commands[process]), unit
        assert words(unit)[0].startswith("/opt/aiops/bin/")


@pytest.mark.parametrize("unit", [*STARTED.values(), FLOWER])
def test_a_process_is_restarted_for_ever_and_has_its_time_to_drain(unit: str) -> None:
    found = settings_of(unit)
    assert (found["Restart"], found["StartLimitIntervalSec"]) == ("always", "0")
    assert int(found["RestartSec"]) >= 1
    drain_s = Settings.model_fields["drain_s"].default
    assert int(found["TimeoutStopSec"]) == drain_s + 10
    assert found["KillMode"] == "mixed"


@pytest.mark.parametrize("unit", WORKERS)
def test_a_worker_sees_what_the_host_tools_report_and_can_start_tool_servers(unit: str) -> None:
    found = settings_of(unit)
    assert (found["ProtectHome"], found["ProtectProc"]) == ("read-only", "default")
    assert "AF_NETLINK" in found["RestrictAddressFamilies"].split()
    hiding = {"ProcSubset", "PrivateUsers", "PrivateNetwork", "MemoryDenyWriteExecute", "InaccessiblePaths"}
    assert hiding.isdisjoint(found)


def test_units_that_no_tool_runs_in_see_neither_homes_nor_other_processes() -> None:
    for unit in set(SERVICES) - set(WORKERS):
        assert (settings_of(unit)["ProtectHome"], settings_of(unit)["ProtectProc"]) == ("yes", "invisible"), unit


def test_a_unit_sets_only_variables_that_aiops_knows_and_to_their_defaults() -> None:
    own = {"HOST": "127.0.0.1", "PORT": "8000", "PYTHONUNBUFFERED": "1"}
    given = [
        pair.partition("=")[::2]
        for path in [COMMON, *(UNITS / unit for unit in SERVICES)]
        for key, value in entries(path)
        if key == "Environment"
        for pair in shlex.split(value)
    ]
    known = env.variables()
    assert {name for name, _ in given} >= {"AIOPS_HOME", "AIOPS_CONCURRENCY", "AIOPS_BATCH_CONCURRENCY"}
    for name, value in given:
        default = own.get(name) or str(Settings.model_fields[known[name]].default)
        assert value == default or name == "AIOPS_HOME"
    used = {name for unit in SERVICES for name in re.findall(r"\$\{(\w+)\}", settings_of(unit)["ExecStart"])}
    assert used <= {name for name, _ in given}


@pytest.mark.parametrize(("password", "starts"), [("", False), ("aiops:secret", True)])
def test_flower_does_not_start_without_a_password(password: str, starts: bool) -> None:
    assert words(FLOWER) == ["/opt/aiops/bin/aiops", "flower"]
    condition = words(FLOWER, "ExecCondition")
    done = subprocess.run(condition, env={"FLOWER_BASIC_AUTH": password}, capture_output=True, text=True)
    assert (done.returncode == 0) is starts
    assert ("FLOWER_BASIC_AUTH=" in done.stderr) is not starts


def test_flower_is_no_part_of_the_target_and_everything_else_is() -> None:
    wanted = {unit for unit in SERVICES if ("WantedBy", "aiops.target") in entries(UNITS / unit)}
    assert wanted == set(STARTED.values())
    assert dict(entries(COMMON))["PartOf"] == "aiops.target"


def test_the_page_names_every_unit_and_no_other() -> None:
    text = (ROOT / "docs/operations/systemd.md").read_text()
    named = re.findall(r"\baiops[\w@-]*\.(?:service|target)\b(?!\.d)", text)
    assert {re.sub(r"@\w+", "@", unit) for unit in named} == {*SERVICES, "aiops.target"}
