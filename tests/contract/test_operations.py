"""What the pages of docs/operations say about files of deploy/ and docker-compose.yml fits them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations/certificates.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
BASE = ROOT / "deploy/kubernetes/base"
FILE = "/etc/aiops/ca-certificates.crt"


def test_every_service_of_compose_gets_the_file_of_authorities() -> None:
    (override,) = (block for block in BLOCKS if "services" in block)
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert set(override["services"]) == {name for name, one in services.items() if "AIOPS_HOME" in str(one)}
    for service in override["services"].values():
        assert [volume.split(":")[1] for volume in service["volumes"]] == [FILE]
    assert f"SSL_CERT_FILE={FILE}" in PAGE


def documents(kind: str) -> list[Any]:
    texts = [path.read_text() for path in sorted(BASE.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [one for text in texts for one in yaml.safe_load_all(text) if one["kind"] == kind]


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_the_patch_gives_every_container_the_file_of_authorities(kind: str) -> None:
    (overlay,) = (block for block in BLOCKS if "patches" in block)
    (patch,) = (one for one in overlay["patches"] if one["target"]["kind"] == kind)
    operations = yaml.safe_load(patch["patch"])
    assert {one["op"] for one in operations} == {"add"}
    for document in documents(kind):
        spec = document["spec"]["template"]["spec"]
        containers = [
            f"/spec/template/spec/{group}/{number}/volumeMounts/-"
            for group in ("initContainers", "containers")
            for number, _ in enumerate(spec.get(group, []))
        ]
        assert sorted(one["path"] for one in operations) == sorted([*containers, "/spec/template/spec/volumes/-"])
    mounts = {one["value"]["mountPath"] for one in operations if "mountPath" in one["value"]}
    assert mounts == {str(Path(FILE).parent)}
