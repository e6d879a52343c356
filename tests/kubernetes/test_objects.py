"""Services and PortMappings on a real API server, with a real gateway."""

from __future__ import annotations

import json
import signal

import pytest

from .kubelab import VIRTUAL, KubeLab, condition, leads, port_mapping, service, wait_until


def _open_reason(kube: KubeLab, name: str) -> str:
    return condition(kube.api.get("portmapping", name), "Open")[1]


def test_a_service_and_a_mapping_are_opened_and_reported(kube: KubeLab) -> None:
    """Their status, Events and columns have what `status` shows."""
    kube.api.apply(service("web", {"http": 8080, "admin": 9090}, ports="http:18080"))
    kube.api.set_ingress("web")
    kube.api.apply(port_mapping("game", port=17777, internalPort=7777, address=VIRTUAL, protocol="Both"))
    kube.listen(8080, 7777)
    with kube.controller("a"):
        wait_until(lambda: kube.open_ports() == {18080, 17777}, "open")
        # For a moment, only one protocol of a port may be open.
        wait_until(lambda: kube.answers(18080) and kube.answers(17777), "answered")
        wait_until(lambda: _open_reason(kube, "game") == "Granted", "reported")
        status = kube.api.get("portmapping", "game")["status"]
        assert status["externalAddress"] == "11.22.33.1"
        assert status["externalPort"] == 17777
        assert status["internalAddress"] == VIRTUAL
        columns = kube.api.kubectl("get", "portmappings")
        assert "11.22.33.1" in columns
        assert "Granted" in columns
        wait_until(
            lambda: "portmapper.dev/status" in kube.api.get("service", "web")["metadata"]["annotations"],
            "annotated",
        )
        report = json.loads(
            kube.api.get("service", "web")["metadata"]["annotations"]["portmapper.dev/status"]
        )
        assert report["ports"] == [
            {"external": "11.22.33.1:18080", "port": 18080, "protocol": "TCP", "state": "open"}
        ]
        wait_until(lambda: "Granted" in kube.api.kubectl("get", "events"), "an Event")


def test_changes_are_followed(kube: KubeLab) -> None:
    """A new port opens, an old one closes, and a deleted object closes its ports before it is gone."""
    kube.api.apply(
        service("web", {"http": 8080, "admin": 9090}, ports="http:18080"), port_mapping("game", port=17777)
    )
    kube.api.set_ingress("web")
    with kube.controller("a"):
        wait_until(lambda: kube.open_ports() == {18080, 17777}, "open")
        kube.api.kubectl("annotate", "service", "web", "--overwrite", "portmapper.dev/ports=admin:19090")
        wait_until(lambda: kube.open_ports() == {19090, 17777}, "changed")
        kube.api.kubectl("delete", "portmapping", "game", "--timeout=15s")
        assert kube.open_ports() == {19090}
        kube.api.kubectl("delete", "service", "web")
        wait_until(lambda: kube.open_ports() == set(), "closed")


def test_the_older_object_wins_and_the_loser_follows(kube: KubeLab) -> None:
    """When the winner is deleted, the loser's port opens within two seconds."""
    kube.api.apply(service("old", {"http": 8080}, ports="http:18080"))
    kube.api.set_ingress("old")
    kube.api.apply(port_mapping("new", port=18080, internalPort=7777, address=VIRTUAL))
    with kube.controller("a"):
        wait_until(
            lambda: condition(kube.api.get("portmapping", "new"), "Accepted")[1] == "PortTaken", "refused"
        )
        assert "default/old" in condition(kube.api.get("portmapping", "new"), "Accepted")[2]
        wait_until(lambda: "PortTaken" in kube.api.kubectl("get", "events"), "an Event")
        kube.api.kubectl("delete", "service", "old")
        took = wait_until(
            lambda: {rule.internal_port for rule in kube.lab.gateway.rules()} == {7777}, "open for the loser"
        )
        print(f"open for the loser after {took:.2f} s")


def test_a_dead_gateway_does_not_keep_an_object_forever(kube: KubeLab) -> None:
    """The object is let go, and its port ends with its lifetime."""
    kube.api.apply(port_mapping("game", port=17777))
    with kube.controller("a"):
        wait_until(lambda: _open_reason(kube, "game") == "Granted", "open")
        kube.lab.gateway.kill()
        kube.api.kubectl("delete", "portmapping", "game", "--timeout=90s")


def test_what_is_deleted_without_a_leader_is_closed_by_the_next_one(kube: KubeLab) -> None:
    """Exactly that, and the rest stays open all the time."""
    kube.api.apply(
        service("gone", {"http": 8080}, ports="http:18080"),
        service("kept", {"http": 8081}, ports="http:18081"),
        port_mapping("game", port=17777, address=VIRTUAL),
    )
    kube.api.set_ingress("gone")
    kube.api.set_ingress("kept")
    with kube.controller("a") as first:
        wait_until(lambda: kube.open_ports() == {18080, 18081, 17777}, "open")
        wait_until(kube.has_record, "recorded")
        wait_until(lambda: _open_reason(kube, "game") == "Granted", "reported")
        first.end(signal.SIGKILL)
    kube.api.kubectl("delete", "service", "gone")
    kube.api.kubectl("delete", "portmapping", "game", "--wait=false")
    kube.move_address("b")
    with kube.controller("b") as second:
        wait_until(lambda: leads(second), "leading")
        wait_until(lambda: kube.open_ports() == {18081}, "closed")
        wait_until(lambda: not kube.api.get("portmappings")["items"], "gone")
        assert kube.open_ports() == {18081}


@pytest.mark.parametrize(
    "annotations",
    [
        {"ports": "http:18080" + "," * 200_000},
        {"ports": ",".join(f"http:{number}" for number in range(10_000, 20_000))},
        {"ports": "http\x1b[2J"},
        {"ports": "http:18080", "conflict": "take"},
        {"ports": "http:18080", "address": "192.168.88.2"},
        {"ports": "http:22"},
    ],
)
def test_a_hostile_annotation_is_refused_with_an_event(kube: KubeLab, annotations: dict[str, str]) -> None:
    """Other objects are unharmed."""
    kube.api.kubectl("create", "-f", "-", stdin=json.dumps(service("evil", {"http": 8080}, **annotations)))
    kube.api.apply(service("good", {"http": 8081}, ports="http:18081"))
    kube.api.set_ingress("good")
    with kube.controller("a"):
        wait_until(lambda: kube.open_ports() == {18081}, "open")
        wait_until(lambda: "service/evil" in kube.api.kubectl("get", "events"), "an Event")
        events = kube.api.kubectl("get", "events")
        assert "InvalidSpec" in events or "DeniedByPolicy" in events
        assert kube.open_ports() == {18081}


def test_a_load_balancer_class_gets_the_external_address(kube: KubeLab) -> None:
    """`kubectl get services` then shows it, as with any other load balancer."""
    found = service("web", {"http": 18080})
    found["spec"]["loadBalancerClass"] = "portmapper.dev/gateway"
    kube.api.apply(found)
    (port,) = kube.api.get("service", "web")["spec"]["ports"]
    with kube.controller("a", "--load-balancer-class", "portmapper.dev/gateway"):
        wait_until(lambda: kube.open_ports() == {18080}, "open")
        assert {rule.internal_port for rule in kube.lab.gateway.rules()} == {port["nodePort"]}
        wait_until(lambda: "11.22.33.1" in kube.api.kubectl("get", "services"), "reported")


def test_revoked_permissions_close_nothing_and_recover(kube: KubeLab) -> None:
    """The reason is logged once for each kind of object."""
    kube.api.apply(port_mapping("game", port=17777))
    binding = kube.api.get("clusterrolebinding", "portmapper")
    with kube.controller("a") as running:
        wait_until(lambda: kube.open_ports() == {17777}, "open")
        kube.api.kubectl("delete", "clusterrolebinding", "portmapper")
        try:
            kube.api.apply(port_mapping("other", port=17778))
            wait_until(lambda: "forbidden" in running.log, "logged", 40)
            assert 17777 in kube.open_ports()
            assert running.log.count("services is forbidden") <= 1
        finally:
            kube.api.apply(
                {key: binding[key] for key in ("apiVersion", "kind", "roleRef", "subjects")}
                | {"metadata": {"name": "portmapper"}}
            )
        kube.api.apply(port_mapping("third", port=17779))
        wait_until(lambda: kube.open_ports() == {17777, 17778, 17779}, "followed again", 60)
        assert running.process.poll() is None


def test_a_single_replica_closes_what_was_deleted_while_it_was_down(kube: KubeLab) -> None:
    """Also without an election, and although its own files are lost."""
    kube.api.apply(port_mapping("game", port=17777), port_mapping("kept", port=17778))
    with kube.controller("a", "--leader-elect=false") as first:
        wait_until(lambda: kube.open_ports() == {17777, 17778}, "open")
        wait_until(lambda: _open_reason(kube, "game") == "Granted", "reported")
        wait_until(kube.has_record, "recorded")
        first.end(signal.SIGKILL)
    kube.api.kubectl("delete", "portmapping", "game", "--wait=false")
    with kube.controller("a", "--leader-elect=false"):
        wait_until(lambda: kube.open_ports() == {17778}, "closed")
        wait_until(lambda: len(kube.api.get("portmappings")["items"]) == 1, "gone")
