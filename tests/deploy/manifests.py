"""The manifests of ``deploy/kubernetes``, as they lie there and as kustomize makes them."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values

from tests.deploy.commands import ROOT

KUBERNETES = ROOT / "deploy/kubernetes"
BASE, OVERLAY, EXAMPLES = KUBERNETES / "base", KUBERNETES / "overlays/example", KUBERNETES / "examples"
KUSTOMIZE = 5
"""The oldest kustomize that knows what the overlay uses."""
Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def is_manifest(path: Path) -> bool:
    return path.suffix == ".yaml" and path.name != "kustomization.yaml" and "kind" in read(path)[0]


def files() -> list[Path]:
    return sorted(path for path in KUBERNETES.rglob("*.yaml") if is_manifest(path))


@functools.cache
def base() -> list[Manifest]:
    return [document for path in files() if path.is_relative_to(BASE) for document in read(path)]


def of_kind(kind: str) -> dict[str, Manifest]:
    """Return name → manifest of one kind in the base."""
    return {one["metadata"]["name"]: one for one in base() if one["kind"] == kind}


def settings(*folders: Path) -> dict[str, str]:
    """Return the settings of these folders; later ones win, as kustomize merges them."""
    found = (dotenv_values(folder / "settings.env", interpolate=False) for folder in folders)
    return {name: value or "" for one in found for name, value in one.items()}


def pods(manifests: list[Manifest] | None = None) -> dict[str, Manifest]:
    """Return name → pod template of each Deployment and Job."""
    found = base() if manifests is None else manifests
    return {one["metadata"]["name"]: one["spec"]["template"] for one in found if one["kind"] in ("Deployment", "Job")}


def containers(pod: Manifest) -> Iterator[Manifest]:
    yield from pod["spec"].get("initContainers", [])
    yield from pod["spec"]["containers"]


def fits(selector: Manifest, labels: dict[str, str]) -> bool:
    """Return whether a label selector selects these labels."""
    exact = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    expressions = selector.get("matchExpressions", [])
    assert {one["operator"] for one in expressions} <= {"In"}
    return exact and all(labels.get(one["key"]) in one["values"] for one in expressions)


def rendered(folder: Path) -> list[Manifest]:
    """Return what kustomize makes of a folder; skip the test on a machine without a new one.

    CI may lack it as well: Debian 12 has none.
    """
    kubectl = shutil.which("kubectl")
    version = {}
    if kubectl:
        asked = [kubectl, "version", "--client", "-o", "json"]
        version = json.loads(subprocess.run(asked, capture_output=True, text=True, timeout=60).stdout)
    if int(version.get("kustomizeVersion", "v0").lstrip("v").partition(".")[0]) < KUSTOMIZE:
        pytest.skip(f"this machine has no kubectl with kustomize {KUSTOMIZE} or newer")
    assert kubectl is not None
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return [document for document in yaml.safe_load_all(done.stdout) if document]
