"""Credentials are replaced while the controller runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .kubelab import KubeLab, leads, port_mapping, wait_until

TOKEN = "rotated"
"""Name of the Secret to which the token is bound: without it, the token is invalid."""

INVALID = "the certificate of the API server is not valid"


def _files(kube: KubeLab, directory: Path) -> tuple[Path, Path, Path]:
    """Return a kubeconfig that names files, as in a pod, with the files of the token and the authority."""
    token, authority = directory / "token", directory / "ca.crt"
    config: dict[str, Any] = json.loads(kube.account.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster.pop("certificate-authority-data")
    cluster["certificate-authority"] = str(authority)
    token.write_text(config["users"][0]["user"]["token"])
    config["users"][0]["user"] = {"tokenFile": str(token)}
    authority.write_bytes(kube.api.authority())
    kubeconfig = directory / "kubeconfig"
    kubeconfig.write_text(json.dumps(config))
    return kubeconfig, token, authority


def test_a_rotated_token_is_read_again(kube: KubeLab, tmp_path: Path) -> None:
    """The kubelet replaces the file before the old token becomes invalid. The leader leads all the time."""
    kubeconfig, token, _ = _files(kube, tmp_path)
    bound = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": TOKEN, "namespace": "portmapper"}}
    kube.api.apply(bound, port_mapping("game", port=17777))
    words = ("create", "token", "portmapper", "-n", "portmapper")
    valid = token.read_text()
    first = kube.api.kubectl(*words, "--bound-object-kind=Secret", f"--bound-object-name={TOKEN}").strip()
    token.write_text(first)
    with kube.controller("a", "--kubeconfig", str(kubeconfig)) as running:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        token.write_text(valid)
        kube.api.kubectl("delete", "secret", TOKEN, "-n", "portmapper")
        wait_until(lambda: not kube.api.accepts(first), "invalid", 60, 0.5)
        kube.api.apply(port_mapping("other", port=17778))
        wait_until(lambda: kube.open_ports() == {17777, 17778}, "followed")
        assert running.process.poll() is None
        assert running.log.count("trying again") <= 1


def test_a_new_certificate_authority_is_read_again(kube: KubeLab, tmp_path: Path) -> None:
    """Each kind of object logs the failure once, nothing is closed, and the program recovers."""
    kubeconfig, _, authority = _files(kube, tmp_path)
    kube.api.apply(port_mapping("game", port=17777))
    words = ("--kubeconfig", str(kubeconfig), "--leader-elect=false")
    with kube.controller("a", *words) as running:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        kube.api.kill()
        kube.api.forget_certificate()
        kube.api.start()
        kube.account.write_text(kube.account_kubeconfig())
        wait_until(lambda: INVALID in running.log, "refused", 60)
        assert kube.open_ports() == {17777}
        authority.write_bytes(kube.api.authority())
        kube.api.apply(port_mapping("other", port=17778))
        wait_until(lambda: kube.open_ports() == {17777, 17778}, "followed", 60)
        assert running.process.poll() is None
        failures = [line for line in running.log.splitlines() if "/portmappings: " in line]
        assert sum(INVALID in line for line in failures) <= 1
    with kube.controller("a") as running:
        wait_until(lambda: leads(running), "leading with the new kubeconfig")
