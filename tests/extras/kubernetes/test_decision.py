"""Which objects are accepted, and what they open."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from portmapper_kubernetes.cluster import Cluster, Selection
from portmapper_kubernetes.decision import Verdict, decide
from portmapper_kubernetes.limits import Limits
from portmapper_kubernetes.objects import read_port_mapping, read_service
from portmapper_kubernetes.rejections import DeniedByPolicy, InvalidSpec, PortTaken

from .conftest import port_mapping, service

NODE = "192.168.88.11"
VIRTUAL = "192.168.88.50"
FOREIGN = "192.168.88.200"
OWN_CLASS = "portmapper.dev/gateway"


def _decide(*found: dict[str, Any], limits: Limits | None = None, **selection: str) -> list[Verdict]:
    services, mappings = {}, []
    for each in found:
        if "port" in each["spec"]:
            mappings.append(read_port_mapping(each))
        else:
            read = read_service(each, "portmapper.dev", selection.get("load_balancer_class", ""))
            services[f"{read.reference.namespace}/{read.reference.name}"] = read
    carried = frozenset({ipaddress.ip_address(NODE)})
    return decide(Cluster(services, carried, limits or Limits(), Selection(**selection)), mappings)


def _rows(*found: dict[str, Any], **options: Any) -> list[dict[str, object]]:
    return [dict(w.row.fields) for v in _decide(*found, **options) for w in v.wanted]


def _annotated(ports: str = "http:8443", **annotations: str) -> dict[str, str]:
    return {f"portmapper.dev/{name}": text for name, text in {"ports": ports, **annotations}.items()}


def _with_ingress(*addresses: str, **changes: Any) -> dict[str, Any]:
    status = {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}
    return service(spec={"type": "LoadBalancer", **changes.pop("spec", {})}, status=status, **changes)


def test_a_node_port_leads_to_this_host() -> None:
    """The leader's own node listens on it."""
    (row,) = _rows(service())
    assert row == {
        "port": 8443,
        "protocol": "TCP",
        "internal_port": 30080,
        "family": "ipv4",
        "duration": 3600,
        "comment": "shop/web:80",
    }


def test_a_load_balancer_is_preferred_to_external_ips_and_nodes() -> None:
    """It listens on the Service's port."""
    (row,) = _rows(_with_ingress(VIRTUAL, spec={"externalIPs": [NODE]}))
    assert (row["address"], row["internal_port"]) == (VIRTUAL, 80)


def test_an_external_ip_that_a_node_carries_is_used() -> None:
    """It listens on the Service's port."""
    (row,) = _rows(service(spec={"externalIPs": [NODE]}))
    assert (row["address"], row["internal_port"]) == (NODE, 80)


def test_an_external_ip_that_no_node_carries_is_denied() -> None:
    """A tenant may write any address into its Service."""
    (verdict,) = _decide(service(spec={"externalIPs": [FOREIGN]}))
    assert isinstance(verdict.rejection, DeniedByPolicy)
    assert FOREIGN in str(verdict.rejection)
    assert not verdict.wanted


@pytest.mark.parametrize("address", [FOREIGN, "10.0.0.1", "203.0.113.9"])
def test_a_foreign_address_is_denied_unless_allowed(address: str) -> None:
    """The option --allow-address allows networks."""
    found = service(annotations=_annotated(address=address))
    (verdict,) = _decide(found)
    assert isinstance(verdict.rejection, DeniedByPolicy)
    (row,) = _rows(found, limits=Limits(addresses=(ipaddress.ip_network(f"{address}/32"),)))
    assert row["address"] == address


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "0.0.0.0", "::1", "224.0.0.1", "169.254.1.1", "evil", "1.2.3"]
)
def test_an_impossible_address_is_invalid(address: str) -> None:
    """Even if the operator allows every address."""
    (verdict,) = _decide(
        service(annotations=_annotated(address=address)),
        limits=Limits(addresses=(ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))),
    )
    assert isinstance(verdict.rejection, InvalidSpec)


def test_both_families_use_an_address_of_each() -> None:
    """Over IPv6 the external port is the internal one."""
    rows = _rows(
        _with_ingress(VIRTUAL, "2001:db8::50", annotations=_annotated(family="both")),
        limits=Limits(ports=(range(1, 65536),)),
    )
    assert [(row["address"], row["port"], row["internal_port"]) for row in rows] == [
        (VIRTUAL, 8443, 80),
        ("2001:db8::50", 80, 80),
    ]


def test_a_pending_load_balancer_is_reported() -> None:
    """The node is not used instead, because the author chose the load balancer."""
    (verdict,) = _decide(_with_ingress(annotations=_annotated(address="load-balancer")))
    assert "no address yet" in str(verdict.rejection)


def test_a_service_without_a_reachable_port_is_invalid() -> None:
    """A cluster IP is not reachable for a gateway."""
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    (verdict,) = _decide(service(spec={"type": "ClusterIP", "ports": ports}))
    assert "no node port" in str(verdict.rejection)


def test_privileged_ports_are_denied_unless_allowed() -> None:
    """A user who may annotate a Service does not own the gateway."""
    found = service(annotations=_annotated("http:443"))
    (verdict,) = _decide(found)
    assert isinstance(verdict.rejection, DeniedByPolicy)
    assert "--allow-ports" in str(verdict.rejection)
    (row,) = _rows(found, limits=Limits(ports=(range(443, 444),)))
    assert row["port"] == 443


@pytest.mark.parametrize("policy", ["take", "overwrite", "TAKE"])
def test_overwriting_is_denied_unless_allowed(policy: str) -> None:
    """The option --allow-overwrite allows it."""
    found = service(annotations=_annotated(conflict=policy))
    (verdict,) = _decide(found)
    assert isinstance(verdict.rejection, DeniedByPolicy)
    (row,) = _rows(found, limits=Limits(take=True))
    assert row["conflict"] == policy.lower()


@pytest.mark.parametrize(
    "annotations",
    [
        _annotated(lifetime="soon"),
        _annotated(lifetime="-1"),
        _annotated(lifetime="99999999999"),
        _annotated(family="ipv5"),
        _annotated(conflict="maybe"),
        _annotated(when="maybe"),
        _annotated(until="tomorrow"),
        _annotated(schedule="Mon-" * 1000),
        _annotated(port="80"),
        _annotated("x" * 256 * 1024),
        _annotated(",".join(f"http:{number}" for number in range(10_000, 20_000))),
        _annotated("http\x1b[31m"),
        _annotated(lifetime="1\nh"),
    ],
)
def test_a_hostile_annotation_is_refused_and_others_are_unharmed(annotations: dict[str, str]) -> None:
    """The message is short and printable."""
    refused, accepted = sorted(
        _decide(service("bad", annotations=annotations), service("good")), key=lambda v: v.reference.name
    )
    assert refused.rejection is not None
    assert not refused.wanted
    assert len(str(refused.rejection)) < 400
    assert str(refused.rejection).isprintable()
    assert accepted.rejection is None
    assert len(accepted.wanted) == 1


def test_only_the_namespaces_of_the_operator_are_served() -> None:
    """Others are told so."""
    (verdict,) = _decide(service(), limits=Limits(namespaces=("other",)))
    assert isinstance(verdict.rejection, DeniedByPolicy)


def test_a_service_without_our_annotation_is_ignored() -> None:
    """Opening ports is opt-in."""
    assert _decide(service(annotations={})) == []
    assert _decide(service(annotations={"portmapper.dev/address": "node"})) == []


def test_a_class_selects_the_controller() -> None:
    """Two controllers for two gateways can share one cluster."""
    found = service(annotations=_annotated(**{"class": "dsl"}))
    assert _decide(found) == []
    assert len(_decide(found, name="dsl")) == 1
    assert _decide(service(), name="dsl") == []


def test_a_load_balancer_class_opens_every_port() -> None:
    """The address that portmapper reported itself is not a target."""
    found = _with_ingress("203.0.113.7", annotations={}, spec={"loadBalancerClass": OWN_CLASS})
    rows = _rows(found, load_balancer_class=OWN_CLASS, limits=Limits(ports=(range(1, 65536),)))
    assert [(row["port"], row["protocol"], row["internal_port"]) for row in rows] == [
        (80, "TCP", 30080),
        (53, "UDP", 30053),
        (53, "TCP", 30053),
    ]
    assert all("address" not in row for row in rows)


def test_the_older_object_wins_a_port() -> None:
    """The loser's reason names the winner."""
    old = service("old", created="2026-01-01T00:00:00Z")
    new = port_mapping("new", created="2026-01-02T00:00:00Z", port=8443)
    for found in ([old, new], [new, old]):
        winner, loser = _decide(*found)
        assert winner.reference.name == "old"
        assert winner.rejection is None
        assert isinstance(loser.rejection, PortTaken)
        assert "Service shop/old" in str(loser.rejection)
        assert not loser.wanted


def test_without_the_winner_the_loser_is_accepted() -> None:
    """An object that is being deleted claims nothing."""
    going = port_mapping(
        "old", created="2025-01-01T00:00:00Z", metadata={"deletionTimestamp": "now"}, port=8443
    )
    (verdict,) = _decide(going, service())
    assert verdict.rejection is None


def test_one_port_for_both_protocols_is_no_conflict() -> None:
    """TCP and UDP are different ports."""
    assert (
        len(_rows(port_mapping("a", port=7000, protocol="TCP"), port_mapping("b", port=7000, protocol="UDP")))
        == 2
    )


def test_ports_that_the_gateway_chooses_never_collide() -> None:
    """Two Services may both ask for any port."""
    rows = _rows(
        service("a", annotations=_annotated("http:any")), service("b", annotations=_annotated("http:any"))
    )
    assert [row["port"] for row in rows] == ["any", "any"]


def test_a_mapping_of_a_service_uses_its_target() -> None:
    """By name, by number, or the only port."""
    found = _with_ingress(VIRTUAL, annotations={})
    for port in ("http", 80, "80"):
        (row,) = _rows(found, port_mapping(serviceRef={"name": "web", "port": port}))
        assert (row["port"], row["internal_port"], row["address"]) == (7777, 80, VIRTUAL)


@pytest.mark.parametrize("reference", [{"name": "none"}, {"name": "web", "port": "none"}])
def test_a_mapping_of_a_missing_service_is_invalid(reference: dict[str, object]) -> None:
    """A Service in another namespace is missing too."""
    (verdict,) = _decide(service(annotations={}), port_mapping(serviceRef=reference))
    assert isinstance(verdict.rejection, InvalidSpec)


def test_a_mapping_cannot_expose_a_privileged_port_of_a_node() -> None:
    """Otherwise a tenant could publish the node's SSH server."""
    (verdict,) = _decide(port_mapping(port=2222, internalPort=22))
    assert isinstance(verdict.rejection, DeniedByPolicy)


def test_objects_choose_when_their_ports_are_open() -> None:
    """In annotations and in fields of a PortMapping."""
    times = {"until": "2026-12-31T18:00:00Z", "schedule": "Sat 18:00-23:59"}
    rows = _rows(
        service(annotations=_annotated(when="listening", **times)), port_mapping(when="Listening", **times)
    )
    assert len(rows) == 2
    for row in rows:
        assert row["when"] == "listening"
        assert row["until"] == "2026-12-31T18:00:00+00:00"
        assert row["schedule"] == "Sat 18:00-23:59"


@pytest.mark.parametrize("field", [{"schedule": "always"}, {"until": "soon"}, {"when": "maybe"}])
def test_an_invalid_time_of_a_mapping_is_refused_on_its_own(field: dict[str, str]) -> None:
    """An older CRD lets it pass."""
    refused, accepted = sorted(
        _decide(port_mapping("bad", **field), port_mapping("good", port=8000)), key=lambda v: v.reference.name
    )
    assert isinstance(refused.rejection, InvalidSpec)
    assert str(refused.rejection).startswith(next(iter(field)))
    assert len(accepted.wanted) == 1


def test_a_mapping_has_its_own_fields() -> None:
    """Both protocols are two rows."""
    rows = _rows(
        port_mapping(
            protocol="Both", internalPort=8080, address=NODE, lifetimeSeconds=60, conflict="Next", comment="x"
        )
    )
    assert [row["protocol"] for row in rows] == ["TCP", "UDP"]
    assert rows[0] == {
        "port": 7777,
        "protocol": "TCP",
        "internal_port": 8080,
        "address": NODE,
        "family": "ipv4",
        "duration": 60,
        "conflict": "next",
        "comment": "x",
    }


def test_a_mapping_that_matches_no_schema_is_invalid() -> None:
    """The cluster may have another version of the CRD."""
    (verdict,) = _decide(port_mapping(port="many"))
    assert isinstance(verdict.rejection, InvalidSpec)
