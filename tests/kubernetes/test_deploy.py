"""The manifests and the chart on a real API server."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

import pytest
from netlab.namespaces import LabError, run

from .kubelab import DEPLOY, KubeLab, leads, port_mapping, programs_directory, wait_until

HELM = str(programs_directory() / "helm")

ALLOWED = {
    ("configmaps", "get"): False,
    ("secrets", "get"): False,
    ("secrets", "list"): False,
    ("services", "list"): True,
    ("services", "patch"): True,
    ("services", "update"): False,
    ("services", "delete"): False,
    ("services/status", "patch"): True,
    ("nodes", "watch"): True,
    ("pods", "list"): False,
    ("portmappings.portmapper.dev", "patch"): True,
    ("portmappings.portmapper.dev", "create"): False,
    ("portmappings.portmapper.dev", "delete"): False,
    ("portmappings.portmapper.dev/status", "patch"): True,
    ("events.events.k8s.io", "create"): True,
}
"""What the ServiceAccount may do in the namespace of a tenant."""


def _can(kube: KubeLab, verb: str, resource: str, namespace: str) -> bool:
    kind, _, subresource = resource.partition("/")
    words = [
        "auth",
        "can-i",
        verb,
        kind,
        "-n",
        namespace,
        *([f"--subresource={subresource}"] if subresource else []),
    ]
    account = ("--as", "system:serviceaccount:portmapper:portmapper")
    try:
        return kube.api.kubectl(*words, *account).strip().endswith("yes")
    except LabError:  # the exit status of "no" is 1
        return False


def test_the_account_may_do_exactly_what_is_documented(kube: KubeLab) -> None:
    """It runs all other tests with its own token."""
    found = {key: _can(kube, key[1], key[0], "default") for key in ALLOWED}
    assert found == ALLOWED


def test_only_its_own_lease_and_secret_can_be_read(kube: KubeLab) -> None:
    """Another Secret in its namespace cannot."""
    assert not _can(kube, "get", "secrets", "portmapper")
    listed = kube.api.kubectl(
        "auth", "can-i", "--list", "-n", "portmapper", "--as", "system:serviceaccount:portmapper:portmapper"
    )
    secrets = [line.split() for line in listed.splitlines() if line.startswith("secrets")]
    assert sorted(line[-2:] for line in secrets) == [["[]", "[create]"], ["[get", "update]"]]


def test_the_pods_are_restricted_except_for_the_hosts_network(kube: KubeLab) -> None:
    """Without hostNetwork, the level `restricted` accepts them."""
    template = json.loads(
        kube.api.kubectl("get", "deployment", "portmapper", "-n", "portmapper", "-o", "json")
    )
    pod = template["spec"]["template"]
    pod["spec"].pop("hostNetwork")
    for port in pod["spec"]["containers"][0]["ports"]:
        port.pop("hostPort", None)
    namespace = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "strict", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }
    kube.api.apply(namespace)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": "strict"},
        "spec": {**pod["spec"], "priorityClassName": ""},
    }
    kube.api.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))


def _template(*words: str) -> str:
    return run(HELM, "template", "charted", str(DEPLOY / "helm"), "-n", "portmapper", *words)


def test_the_chart_passes_lint_and_the_server_accepts_it(kube: KubeLab) -> None:
    """With the default values, and with all others."""
    run(HELM, "lint", "--strict", str(DEPLOY / "helm"))
    kube.api.kubectl("apply", "--dry-run=server", "-f", "-", stdin=_template("--include-crds"))
    words = (
        *("--set", "policy.ports={443,8000-8999}", "--set", "policy.addresses={192.168.88.0/24}"),
        *(
            "--set",
            "policy.overwrite=true",
            "--set",
            "namespaces={shop,games}",
            "--set",
            "gateway={192.168.88.1}",
        ),
        *(
            "--set",
            "loadBalancerClass=portmapper.dev/gateway",
            "--set",
            "class=dsl",
            "--set",
            "hostNetwork=false",
            "--set-string",
            'settings=[probe]\nurl = "http://198.51.100.7:9700"',
            "--set",
            "policy.mode=upsert-only",
        ),
    )
    kube.api.kubectl("apply", "--dry-run=server", "-f", "-", stdin=_template(*words))


def test_the_arguments_of_the_manifests_are_valid(kube: KubeLab) -> None:
    """The controller leads with them."""
    kube.api.apply(port_mapping("game", port=17777))
    for arguments in (_arguments(_template("--set", "policy.ports={443}")), _arguments(_kustomized(kube))):
        words = [word.replace("$(POD_NAME)", "pod") for word in arguments[1:] if "--state-dir" not in word]
        with kube.controller("a", *words) as running:
            wait_until(lambda: '"message": "pod leads"' in running.log or leads(running), "leading", 30)
            address = "http://192.168.88.11:8081"
            for path in ("healthz", "readyz"):
                wait_until(lambda url=f"{address}/{path}": _answers(kube, url), path, 30)
            assert running.end() == 0


def _answers(kube: KubeLab, url: str) -> bool:
    """Return whether the URL answers with success; the listener opens beside the election."""
    try:
        kube.lab.router.run("python3", "-c", f"import urllib.request as u; u.urlopen('{url}')")
    except LabError:
        return False
    return True


def _kustomized(kube: KubeLab) -> str:
    return kube.api.kubectl("kustomize", str(DEPLOY / "kustomize"))


def _arguments(manifests: str) -> list[str]:
    yaml = pytest.importorskip("yaml")
    found: list[dict[str, Any]] = [each for each in yaml.safe_load_all(manifests) if each]
    (deployment,) = [each for each in found if each["kind"] == "Deployment"]
    arguments: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return arguments


def test_the_crd_refuses_invalid_mappings(kube: KubeLab) -> None:
    """The API server validates before the controller sees them."""
    for spec in (
        {},
        {"port": 0},
        {"port": 70000},
        {"port": 80, "protocol": "SCTP"},
        {"port": 80, "address": "192.168.88.2", "serviceRef": {"name": "web"}},
        {"port": 80, "internalPort": 80, "serviceRef": {"name": "web"}},
        {"port": 80, "families": ["IPv5"]},
        {"port": 80, "address": "host"},
        {"port": 80, "comment": "x" * 300},
    ):
        with pytest.raises(Exception, match=r"(?i)invalid|required"):
            kube.api.apply(port_mapping("bad", **spec))


def test_image_and_chart_have_the_version_of_portmapper() -> None:
    """The docs name the same tag."""
    tag = f"portmapper-kubernetes:{version('portmapperd')}"
    assert tag in (DEPLOY / "Containerfile").read_text()
    assert tag in (DEPLOY / "kustomize" / "deployment.yaml").read_text()
    assert tag in _template()


def test_the_three_copies_of_the_crd_are_equal() -> None:
    """Kustomize and Helm cannot read a file outside of their directories."""
    crd = (DEPLOY / "crd.yaml").read_text()
    assert (DEPLOY / "kustomize" / "crd.yaml").read_text() == crd
    assert (DEPLOY / "helm" / "crds" / "crd.yaml").read_text() == crd
