"""The manifests of ``deploy/kubernetes`` are valid, fit one another, and start what the Procfile starts."""

from __future__ import annotations

import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from aiops import dispatch
from aiops.llm import providers
from aiops.settings import Settings
from aiops.web.doors.sse import PING_S
from config import env
from tests.deploy import manifests
from tests.deploy.commands import ROOT, procfile, shape, worker_name
from tests.deploy.manifests import BASE, EXAMPLES, KUBERNETES, OVERLAY, Manifest, containers, fits, of_kind, pods

VERSIONS = ("1.30", "1.37")
"""The oldest and the newest Kubernetes whose schemas the manifests are held against."""
DEPLOYMENTS = of_kind("Deployment")
SECRETS = "/run/secrets/aiops/"
METRICS = (ROOT / "aiops/runs/metrics.py").read_text()
OF_UVICORN = {"FORWARDED_ALLOW_IPS"}
DOCUMENTS = [(path, document) for path in manifests.files() for document in manifests.read(path)]


def _command(deployment: str) -> list[str]:
    return DEPLOYMENTS[deployment]["spec"]["template"]["spec"]["containers"][0]["command"]


def named(document: Manifest) -> str:
    return f"{document['kind']}-{document['metadata']['name']}"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("path", "document"),
    DOCUMENTS,
    ids=[f"{path.relative_to(KUBERNETES)}-{named(document)}" for path, document in DOCUMENTS],
)
def test_each_manifest_is_valid(path: Path, document: Manifest, version: str) -> None:
    kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_does_not_exist_would_be_refused() -> None:
    service = of_kind("Service")["aiops"]
    with pytest.raises(kubernetes_validate.ValidationError, match="selectr"):
        kubernetes_validate.validate({**service, "spec": {"selectr": {}}}, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("folder", [BASE, OVERLAY], ids=lambda folder: folder.name)
def test_every_file_is_listed_once(folder: Path) -> None:
    written = yaml.safe_load((folder / "kustomization.yaml").read_text())
    settings = [file for one in written["configMapGenerator"] for file in one["envs"]]
    listed = sorted([*written["resources"], *settings])
    there = sorted(path.name for path in folder.iterdir() if path.name != "kustomization.yaml")
    assert [name for name in listed if name != "../../base"] == there


def test_every_process_of_the_procfile_has_a_deployment_that_starts_the_same() -> None:
    commands = procfile()
    assert set(DEPLOYMENTS) == set(commands)
    for name, deployment in DEPLOYMENTS.items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert shape(container["command"]) == shape(commands[name])
        assert worker_name(container["command"]) == worker_name(commands[name])
        used = set(re.findall(r"\$\((\w+)\)", " ".join(container["command"])))
        assert used <= manifests.settings(BASE).keys()


def test_there_is_one_beat_and_never_two_at_once() -> None:
    beats = [one for name, one in DEPLOYMENTS.items() if "beat" in _command(name)]
    assert [(one["spec"]["replicas"], one["spec"]["strategy"]) for one in beats] == [(1, {"type": "Recreate"})]
    assert "beat" not in {one["spec"]["scaleTargetRef"]["name"] for one in of_kind("HorizontalPodAutoscaler").values()}


def test_the_image_and_what_a_pod_may_do_are_the_same_everywhere() -> None:
    (uid,) = re.findall(r"--uid (\d+)", (ROOT / "Dockerfile").read_text())
    for pod in pods().values():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": int(uid),
            "runAsGroup": int(uid),
            "fsGroup": int(uid),
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in containers(pod):
            assert container["image"] == "aiops"
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_a_stopping_pod_has_its_time_to_drain() -> None:
    drain_s = int(manifests.settings(BASE)["AIOPS_DRAIN_S"])
    assert drain_s == Settings.model_fields["drain_s"].default
    for deployment in DEPLOYMENTS.values():
        assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == drain_s + 10


def test_every_process_waits_for_the_tables_and_is_probed() -> None:
    for name, deployment in DEPLOYMENTS.items():
        spec = deployment["spec"]["template"]["spec"]
        assert "aiops manage migrate --check" in spec["initContainers"][0]["command"][-1]
        (container,) = spec["containers"]
        if name == "web":
            paths = [container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")]
            assert paths == ["/health/live", "/health/ready"]
        else:
            command = ["aiops", "probe", "beat" if name == "beat" else "worker"]
            assert container["livenessProbe"]["exec"]["command"] == command
            assert container["startupProbe"]["exec"]["command"] == command


def test_every_setting_is_a_variable_of_aiops_and_every_file_is_mounted(tmp_path: Path) -> None:
    given = manifests.settings(BASE, OVERLAY)
    known = env.variables().keys() | providers.variables().keys() | OF_UVICORN
    assert {name.removesuffix("_FILE") for name in given} <= known
    (secret,) = manifests.read(EXAMPLES / "secret.yaml")
    for name, value in secret["stringData"].items():
        (tmp_path / name).write_text(re.sub(r"<[^>]+>", "x" * 50, value))
    files = {name: path for name, path in given.items() if name.endswith("_FILE")}
    assert {path.removeprefix(SECRETS) for path in files.values()} == set(secret["stringData"])
    assert all(path.startswith(SECRETS) for path in files.values())
    assert env.read({**given, **{name: str(tmp_path / path.removeprefix(SECRETS)) for name, path in files.items()}})
    for pod in pods().values():
        assert {"name": "secrets", "secret": {"secretName": secret["metadata"]["name"], "defaultMode": 0o440}} in (
            pod["spec"]["volumes"]
        )
        for container in containers(pod):
            assert {"name": "secrets", "mountPath": SECRETS.rstrip("/"), "readOnly": True} in container["volumeMounts"]
            assert {"configMapRef": {"name": "aiops"}} in container["envFrom"]


def test_the_variables_that_kubernetes_adds_for_the_service_change_nothing() -> None:
    links = {}
    for name, service in of_kind("Service").items():
        prefix = name.upper().replace("-", "_")
        for port in service["spec"]["ports"]:
            address, number = "10.96.14.7", port["port"]
            url = f"{prefix}_PORT_{number}_TCP"
            links |= {
                f"{prefix}_SERVICE_HOST": address,
                f"{prefix}_SERVICE_PORT": str(number),
                f"{prefix}_SERVICE_PORT_{port['name'].upper()}": str(number),
                f"{prefix}_PORT": f"tcp://{address}:{number}",
                url: f"tcp://{address}:{number}",
                f"{url}_PROTO": "tcp",
                f"{url}_PORT": str(number),
                f"{url}_ADDR": address,
            }
    assert "AIOPS_PORT" in links
    assert env.read({**links, "LOG_LEVEL": "INFO"}) == env.read({"LOG_LEVEL": "INFO"})
    assert not [name for name, pod in pods().items() if "enableServiceLinks" in pod["spec"]]


def test_budgets_and_autoscalers_are_of_deployments_that_exist() -> None:
    labels = {name: one["spec"]["template"]["metadata"]["labels"] for name, one in DEPLOYMENTS.items()}
    for name, deployment in DEPLOYMENTS.items():
        assert fits(deployment["spec"]["selector"], labels[name])
    for name, budget in of_kind("PodDisruptionBudget").items():
        assert [one for one in labels if fits(budget["spec"]["selector"], labels[one])] == [name]
    for scaler in of_kind("HorizontalPodAutoscaler").values():
        assert "replicas" not in DEPLOYMENTS[scaler["spec"]["scaleTargetRef"]["name"]]["spec"]
        (metric,) = (one["external"]["metric"] for one in scaler["spec"]["metrics"])
        queue = metric["selector"]["matchLabels"]["queue"]
        assert queue in dispatch.RUN_QUEUES
        assert queue == worker_name(_command(scaler["spec"]["scaleTargetRef"]["name"]))
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in of_kind("HorizontalPodAutoscaler").values()}
    assert {name for name, one in DEPLOYMENTS.items() if "replicas" not in one["spec"]} == scaled


def test_the_autoscalers_use_what_prometheus_scrapes_from_the_service() -> None:
    (rule,) = yaml.safe_load((EXAMPLES / "prometheus-adapter.yaml").read_text())["rules"]["external"]
    metric = rule["name"]["as"]
    assert metric in METRICS
    assert rule["seriesQuery"].startswith(f"{metric}{{")
    scalers = of_kind("HorizontalPodAutoscaler").values()
    assert {one["external"]["metric"]["name"] for scaler in scalers for one in scaler["spec"]["metrics"]} == {metric}
    (scraped,) = yaml.safe_load((EXAMPLES / "prometheus.yml").read_text())["scrape_configs"]
    (namespace,) = of_kind("Namespace")
    (port,) = of_kind("Service")["aiops"]["spec"]["ports"]
    target = {"targets": [f"aiops.{namespace}.svc:{port['port']}"], "labels": {"namespace": namespace}}
    assert scraped["static_configs"] == [target]


def test_traffic_is_closed_but_for_pods_and_ports_that_exist() -> None:
    policies = of_kind("NetworkPolicy")
    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    labels = {name: pod["metadata"]["labels"] for name, pod in pods().items()}
    chosen = {
        name: {pod for pod in labels if fits(policy["spec"]["podSelector"], labels[pod])}
        for name, policy in policies.items()
    }
    workers = {"worker-runs", "worker-batch", "worker-upkeep"}
    assert chosen["dns"] == chosen["servers"] == set(labels)
    assert chosen["models-and-tools"] == workers
    assert [name for name in policies if "Ingress" in policies[name]["spec"]["policyTypes"]] == ["default-deny", "web"]
    assert chosen["web"] == {"web"}


def test_the_service_and_its_rules_lead_to_the_port_of_web() -> None:
    service = of_kind("Service")["aiops"]["spec"]
    pod = pods()["web"]
    (container,) = pod["spec"]["containers"]
    (port,) = container["ports"]
    assert fits({"matchLabels": service["selector"]}, pod["metadata"]["labels"])
    assert str(port["containerPort"]) == container["command"][container["command"].index("--port") + 1]
    (rule,) = of_kind("NetworkPolicy")["web"]["spec"]["ingress"]
    named_ports = [service["ports"][0]["targetPort"], rule["ports"][0]["port"]]
    assert named_ports == [port["name"]] * 2
    (ingress,) = manifests.read(OVERLAY / "ingress.yaml")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    assert path["backend"]["service"] == {"name": "aiops", "port": {"name": service["ports"][0]["name"]}}


def test_the_ingress_lets_batch_files_and_streams_through() -> None:
    (ingress,) = manifests.read(OVERLAY / "ingress.yaml")
    notes = ingress["metadata"]["annotations"]
    most = Settings.model_fields["max_batch_bytes"].default + Settings.model_fields["max_body_bytes"].default
    assert int(notes["nginx.ingress.kubernetes.io/proxy-body-size"]) == most
    assert int(notes["nginx.org/client-max-body-size"]) == most
    assert int(notes["nginx.ingress.kubernetes.io/proxy-read-timeout"]) > 2 * PING_S
    assert notes["nginx.org/proxy-read-timeout"] == notes["nginx.ingress.kubernetes.io/proxy-read-timeout"] + "s"


def test_what_kustomize_makes_of_the_example_is_valid_and_of_one_image() -> None:
    made = manifests.rendered(OVERLAY)
    for document in made:
        for version in VERSIONS:
            kubernetes_validate.validate(document, version, strict=True)
    images = {container["image"] for pod in pods(made).values() for container in containers(pod)}
    assert images == {"registry.example.org/aiops:0.1.0"}
    assert {one["metadata"].get("namespace") for one in made if one["kind"] != "Namespace"} == {"aiops"}
    assert [one["metadata"]["name"] for one in made if one["kind"] == "Job"] == ["aiops-migrate-0.1.0"]
    (settings,) = (one for one in made if one["kind"] == "ConfigMap")
    assert settings["data"] == manifests.settings(BASE, OVERLAY)
    for pod in pods(made).values():
        for container in containers(pod):
            assert {"configMapRef": {"name": settings["metadata"]["name"]}} in container["envFrom"]
