"""A LAN with a gateway, two nodes, and a host that runs a real API server."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from netlab.hosts import AnsweringHost, exchange
from netlab.lab import WAN_GATEWAY, Lab
from netlab.namespaces import LabError, Namespace
from netlab.program import Program, Running

API_HOST = "192.168.88.100"
API_PORT = 6443
NODES = {"a": "192.168.88.11", "b": "192.168.88.12"}
VIRTUAL = "192.168.88.50"
"""The address of the load balancer, which moves between the nodes as with kube-vip."""

HERE = Path(__file__).parent
DEPLOY = HERE.parent.parent / "plugins" / "portmapper-kubernetes" / "deploy"

START_LIMIT = 60.0
WAIT_LIMIT = 20.0
POLL = 0.02


def wait_until(
    condition: Callable[[], object], what: str, limit: float = WAIT_LIMIT, pause: float = POLL
) -> float:
    """Wait until a condition is true, and return the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + limit, f"not {what} after {limit} s"
        time.sleep(pause)
    return time.monotonic() - started


class ApiHost:
    """The host of the API server."""

    def __init__(self, host: Namespace, programs: Path, directory: Path) -> None:
        self._host = host
        self._programs = programs
        self._directory = directory
        self.kubeconfig = directory / "kubeconfig"

    def start(self) -> None:
        """Start etcd, if it does not run, and the API server."""
        environment = {**os.environ, "ADDRESS": API_HOST, "PORT": str(API_PORT)}
        command = self._host.command(
            str(HERE / "server" / "start"), str(self._directory), str(self._programs)
        )
        subprocess.run(command, check=True, env=environment, timeout=START_LIMIT)

    def kill(self) -> None:
        """Kill the API server; etcd keeps the objects."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the API server."""
        os.kill(int((self._directory / "apiserver.pid").read_text()), number)

    def filter(self, *, on: bool) -> None:
        """Drop every packet to the API server, or let them pass again."""
        rules = "table inet outage\ndelete table inet outage\n"
        if on:
            chain = f"type filter hook input priority 0\ntcp dport {API_PORT} drop\n"
            rules += f"table inet outage {{\nchain input {{\n{chain}}}\n}}\n"
        self._host.run("nft", "-f", "-", stdin=rules)

    def kubectl(self, *words: str, stdin: str = "", limit: float = 60.0) -> str:
        """Run kubectl as the administrator."""
        words = ("--kubeconfig", str(self.kubeconfig), *words)
        return self._host.run(str(self._programs / "kubectl"), *words, stdin=stdin, timeout=limit)

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", "-f", "-", stdin=json.dumps(document))

    def get(self, *words: str) -> Any:
        """Return an object or a list."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def set_ingress(self, name: str, address: str = VIRTUAL) -> None:
        """Give a Service its load balancer's address, as a controller would."""
        status = json.dumps({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}})
        self.kubectl("patch", "service", name, "--subresource=status", "--type=merge", "-p", status)

    def authority(self) -> bytes:
        """Return the certificate of the API server, which is its own authority."""
        return (self._directory / "certs" / "apiserver.crt").read_bytes()

    def forget_certificate(self) -> None:
        """Delete the certificate and its key: at the next start, there will be new ones."""
        for kind in ("crt", "key"):
            (self._directory / "certs" / f"apiserver.{kind}").unlink()

    def accepts(self, token: str) -> bool:
        """Return whether a token is valid."""
        try:
            self.kubectl("--token", token, "get", "--raw", "/api")
        except LabError:
            return False
        return True

    def writes(self) -> Counter[str]:
        """Return the number of requests so far that changed something, by verb and resource."""
        counted: Counter[str] = Counter()
        for line in self.kubectl("get", "--raw", "/metrics").splitlines():
            labels = dict(re.findall(r'(\w+)="([^"]*)"', line))
            if line.startswith("apiserver_request_total") and labels["verb"] in (
                "POST",
                "PUT",
                "PATCH",
                "APPLY",
            ):
                counted[f"{labels['verb']} {labels['resource']}"] += int(float(line.split()[-1]))
        return counted

    def clean(self) -> None:
        """Delete the objects of a test."""
        for found in self.get("portmappings", "-A")["items"]:
            metadata = found["metadata"]
            words = ("portmapping", metadata["name"], "-n", metadata["namespace"])
            self.kubectl("patch", *words, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
            self.kubectl("delete", *words, "--ignore-not-found")
        self.kubectl("delete", "services,events", "-n", "default", "--all", "--wait=false", limit=180.0)
        self.kubectl("delete", "lease,secret", "-n", "portmapper", "--all")


class KubeLab:
    """The lab.

    Attributes:
        lab: LAN, gateway and WAN.
        api: the API server.
        account: kubeconfig of the ServiceAccount.
    """

    def __init__(self, lab: Lab, programs: Path, directory: Path) -> None:
        self.lab = lab
        self.hosts = {name: lab.add_lan_host(f"node{name}", address) for name, address in NODES.items()}
        self.servers = [AnsweringHost(host) for host in self.hosts.values()]
        self.api = ApiHost(lab.add_lan_host("api", API_HOST), programs, directory / "api")
        self.account = directory / "account"
        self._directory = directory
        self._runs = 0
        self._carrier = ""

    def prepare(self) -> None:
        """Start the API server, and apply the manifests; there is no kubelet, so the pods do not run."""
        self.api.start()
        self.api.kubectl("apply", "-k", str(DEPLOY / "kustomize"))
        self.account.write_text(self.account_kubeconfig())
        self.move_address("a")

    def account_kubeconfig(self) -> str:
        """Return a kubeconfig with a token of the ServiceAccount."""
        token = self.api.kubectl("create", "token", "portmapper", "-n", "portmapper").strip()
        config = json.loads(self.api.kubectl("config", "view", "--raw", "-o", "json"))
        config["users"][0]["user"] = {"token": token}
        return json.dumps(config)

    def move_address(self, name: str) -> None:
        """Move the virtual address to a node, and announce it as the load balancer would."""
        if self._carrier:
            with contextlib.suppress(Exception):
                self.hosts[self._carrier].ip("addr", "del", f"{VIRTUAL}/32", "dev", "eth0")
        self.hosts[name].ip("addr", "add", f"{VIRTUAL}/32", "dev", "eth0")
        self.lab.router.ip("neigh", "flush", "to", VIRTUAL)
        self._carrier = name

    def set_link(self, name: str, *, up: bool) -> None:
        """Cut or connect the cable of a node."""
        host = self.hosts[name]
        host.ip("link", "set", "eth0", "up" if up else "down")
        if up:
            host.ip("route", "replace", "default", "via", self.lab.gateway.lan_address)

    def listen(self, *ports: int) -> None:
        """Answer on TCP ports of both nodes."""
        for server in self.servers:
            for port in ports:
                server.listen("TCP", port)

    def answers(self, port: int) -> bool:
        """Return whether the WAN gets an answer on a port."""
        return exchange(self.lab.wan, "TCP", WAN_GATEWAY, port) is not None

    def open_ports(self) -> set[int]:
        """Return the open ports of the gateway."""
        return {rule.external_port for rule in self.lab.gateway.rules()}

    @contextlib.contextmanager
    def controller(self, name: str, *words: str) -> Iterator[Running]:
        """Run the controller on a node, as the ServiceAccount."""
        self._runs += 1
        place = self._directory / f"run-{self._runs}-{name}"
        place.mkdir()
        program = Program(self.hosts[name], place)
        given = ("--kubeconfig", str(self.account), "--identity", f"node-{name}", "--state-dir", str(place))
        with program.running("kubernetes", *given, *words, log=place / "log") as running:
            yield running

    def metric(self, name: str, metric: str) -> float:
        """Return a metric of the controller on a node, which listens on port 8081."""
        url = f"http://{NODES[name]}:8081/metrics"
        code = f"import urllib.request as u; print(u.urlopen('{url}', timeout=5).read().decode())"
        try:
            page = self.lab.router.run("python3", "-c", code)
        except LabError:
            return 0.0  # it does not listen yet
        values = [line.split()[-1] for line in page.splitlines() if line.startswith(f"portmapper_{metric}")]
        return float(values[0]) if values else 0.0

    def has_record(self) -> bool:
        """Return whether the key and the record of open ports are in the Secret."""
        found = self.api.kubectl(
            "get", "secret", "portmapper-leases", "-n", "portmapper", "-o", "json", "--ignore-not-found"
        )
        return bool(found) and len(json.loads(found).get("data", {})) == 2

    def count_reported(self) -> int:
        """Return how many objects are reported as open."""
        services, mappings = self.api.get("services"), self.api.get("portmappings")
        annotations = [found["metadata"].get("annotations", {}) for found in services["items"]]
        reported = [entry.get("portmapper.dev/status", "") for entry in annotations]
        opened = [condition(found, "Open")[0] for found in mappings["items"]]
        return sum('"Open":"True"' in text for text in reported) + opened.count("True")

    def leader(self) -> str:
        """Return the holder of the Lease."""
        return str(self.api.get("lease", "portmapper", "-n", "portmapper")["spec"].get("holderIdentity", ""))

    def mac(self, name: str) -> str:
        """Return the MAC address of a node: the sender of a request may be the virtual address."""
        return self.hosts[name].run("cat", "/sys/class/net/eth0/address").strip()

    def close(self) -> None:
        """Stop the servers."""
        for server in self.servers:
            server.close()


def leads(running: Running) -> bool:
    """Return whether a controller has become the leader."""
    return any(line.endswith(" leads") and "standby" not in line for line in running.log.splitlines())


def condition(found: dict[str, Any], kind: str) -> tuple[str, str, str]:
    """Return status, reason and message of a condition; empty texts if it is missing."""
    for known in found.get("status", {}).get("conditions", ()):
        if known["type"] == kind:
            return known["status"], known["reason"], known["message"]
    return "", "", ""


def service(name: str, ports: dict[str, int], /, **annotations: str) -> dict[str, Any]:
    """Return a Service of type LoadBalancer; each name of a port has its number."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "default",
            "annotations": {f"portmapper.dev/{key}": text for key, text in annotations.items()},
        },
        "spec": {
            "type": "LoadBalancer",
            "ports": [{"name": key, "port": number, "protocol": "TCP"} for key, number in ports.items()],
        },
    }


def port_mapping(name: str, **spec: Any) -> dict[str, Any]:
    """Return a PortMapping."""
    return {
        "apiVersion": "portmapper.dev/v1alpha1",
        "kind": "PortMapping",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def programs_directory() -> Path:
    """Return the directory with the built programs, as `nox -s kubernetes` sets it."""
    return Path(os.environ.get("PORTMAPPER_KUBERNETES_PROGRAMS", ""))


def missing_programs() -> str | None:
    """Return why the tests cannot run, or None."""
    names = ("kube-apiserver", "etcd", "kubectl")
    if os.environ.get("PORTMAPPER_KUBERNETES_PROGRAMS") and all(
        (programs_directory() / n).exists() for n in names
    ):
        return None
    return "the API server is not built: run 'nox -s kubernetes'"
