"""Objects whose ports are open only at times, and the check from outside."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from netlab.lab import WAN_HOST
from netlab.namespaces import LabError
from netlab.program import Program

from .kubelab import VIRTUAL, KubeLab, condition, leads, port_mapping, service, wait_until

PROBE_PORT = 9700
NEVER = "2020-01-01T00:00:00Z"
ALWAYS = "daily 00:00-24:00"


def _soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def _open(kube: KubeLab, name: str) -> tuple[str, str, str]:
    return condition(kube.api.get("portmapping", name), "Open")


def test_ports_open_and_close_by_themselves(kube: KubeLab) -> None:
    """The condition says why a port is closed, and the Event is no warning."""
    kube.api.apply(
        service("web", {"http": 8080}, ports="http:18080", schedule=ALWAYS),
        service("old", {"http": 8080}, ports="http:18081", until=NEVER),
        port_mapping("brief", port=17777, until=_soon(8)),
        port_mapping("idle", port=17778, when="Listening"),
    )
    with kube.controller("a"):
        wait_until(lambda: 18080 in kube.open_ports(), "open")
        wait_until(lambda: _open(kube, "idle")[:2] == ("False", "Waiting"), "reported")
        assert "17778/tcp" in _open(kube, "idle")[2]
        wait_until(lambda: _open(kube, "brief")[:2] == ("False", "Waiting"), "ended")
        assert kube.open_ports() == {18080}
        kube.servers[0].listen("TCP", 17778)
        wait_until(lambda: kube.open_ports() == {18080, 17778}, "open while a program listens")
        wait_until(lambda: "until" in _report(kube, "old"), "reported")
        assert "Warning   Waiting" not in kube.api.kubectl("get", "events")


def _report(kube: KubeLab, name: str) -> str:
    annotations: dict[str, str] = kube.api.get("service", name)["metadata"]["annotations"]
    return annotations.get("portmapper.dev/status", "")


def test_a_port_that_ended_without_a_leader_is_closed_by_the_next_one(kube: KubeLab) -> None:
    """Its object still exists."""
    kube.api.apply(
        port_mapping("kept", port=17777, address=VIRTUAL),
        port_mapping("ended", port=17778, address=VIRTUAL),
    )
    with kube.controller("a") as first:
        wait_until(lambda: _open(kube, "kept")[1] == _open(kube, "ended")[1] == "Granted", "reported")
        wait_until(kube.has_record, "recorded")
        first.end(signal.SIGKILL)
    kube.api.kubectl(
        "patch", "portmapping", "ended", "--type=merge", "-p", json.dumps({"spec": {"until": NEVER}})
    )
    kube.move_address("b")
    with kube.controller("b") as second:
        wait_until(lambda: leads(second), "leading")
        wait_until(lambda: kube.open_ports() == {17777}, "closed", 60)
        wait_until(lambda: _open(kube, "ended")[1] == "Waiting", "reported")


@pytest.mark.parametrize(
    ("field", "text"), [("schedule", "always"), ("until", "tomorrow"), ("when", "sometimes")]
)
def test_an_invalid_time_is_refused_on_its_own(kube: KubeLab, field: str, text: str) -> None:
    """By the API server for a PortMapping, and with an Event for a Service."""
    kube.api.apply(
        service("evil", {"http": 8080}, ports="http:18080", **{field: text}),
        service("good", {"http": 8080}, ports="http:18081"),
    )
    if field != "schedule":
        with pytest.raises(LabError, match=field):
            kube.api.apply(port_mapping("evil", port=17777, **{field: text}))
    else:
        kube.api.apply(port_mapping("evil", port=17777, **{field: text}))
    with kube.controller("a"):
        wait_until(lambda: kube.open_ports() == {18081}, "open")
        wait_until(lambda: "service/evil" in kube.api.kubectl("get", "events"), "an Event")
        assert f'"message":"{field}' in _report(kube, "evil")
        if field == "schedule":
            reason, message = ("InvalidSpec", field)
            wait_until(
                lambda: condition(kube.api.get("portmapping", "evil"), "Accepted")[1] == reason, "refused"
            )
            assert message in condition(kube.api.get("portmapping", "evil"), "Accepted")[2]


def test_the_result_of_a_probe_is_a_condition(kube: KubeLab, tmp_path: Path) -> None:
    """A program answers on one port, and a filter of the node drops what arrives for the other one."""
    kube.api.apply(
        port_mapping("game", port=17777), port_mapping("deaf", port=17778), service("web", {"http": 8080})
    )
    kube.servers[0].listen("TCP", 17777)
    kube.hosts["a"].run("nft", "-f", "-", stdin=DEAF)
    settings = tmp_path / "portmapper.toml"
    settings.write_text(f'[probe]\nurl = "http://{WAN_HOST}:{PROBE_PORT}"\ninterval = "30s"\n')
    server = Program(kube.lab.wan, tmp_path)
    with (
        server.running("probe", "serve", "--listen", f"{WAN_HOST}:{PROBE_PORT}", log=tmp_path / "probe"),
        kube.controller("a", "--config", str(settings)),
    ):
        wait_until(lambda: _reachable(kube, "game")[:2] == ("True", "Answered"), "answered", 60)
        wait_until(lambda: _reachable(kube, "deaf")[:2] == ("False", "NoAnswer"), "not answered", 60)
        assert "17778/tcp: " in _reachable(kube, "deaf")[2]
    kube.hosts["a"].run("nft", "delete", "table", "inet", "deaf")


DEAF = """
table inet deaf {
    chain input {
        type filter hook input priority 0
        tcp dport 17778 drop
    }
}
"""


def _reachable(kube: KubeLab, name: str) -> tuple[str, str, str]:
    return condition(kube.api.get("portmapping", name), "Reachable")
