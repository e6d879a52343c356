"""From a PortMapping object to the ports that it wants open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portmapper.api import DEFAULT_DURATION, PROTOCOLS, Family, quoted
from portmapper_kubernetes.cluster import Cluster
from portmapper_kubernetes.limits import parse_address
from portmapper_kubernetes.objects import PortMapping, Service, ServicePort
from portmapper_kubernetes.rejections import InvalidSpec
from portmapper_kubernetes.service_ports import read_conflict
from portmapper_kubernetes.targets import Target, targets_of
from portmapper_kubernetes.times import read_times
from portmapper_kubernetes.wanted import Wanted

_FAMILIES = {("IPv4",): "ipv4", ("IPv6",): "ipv6", ("IPv4", "IPv6"): "both"}


def wanted_of_mapping(mapping: PortMapping, cluster: Cluster) -> list[Wanted]:
    """Return the ports that a PortMapping wants open.

    Raises:
        Rejection: a field is invalid, or the operator does not allow it.
    """
    spec, limits = mapping.spec, cluster.limits
    conflict = read_conflict(str(spec.get("conflict") or ""), limits)
    external = int(spec["port"])
    protocols = PROTOCOLS[str(spec.get("protocol") or "TCP").upper()]
    comment = str(spec.get("comment") or f"{mapping.reference.namespace}/{mapping.reference.name}:{external}")
    times = read_times(spec)
    places = _places(mapping, cluster)
    limits.check_external(external)
    return [
        Wanted(
            reference=mapping.reference,
            label=str(external),
            protocol=protocol,
            family=target.family,
            external=internal_port if target.family is Family.IPV6 else external,
            internal_port=internal_port,
            address=target.address,
            lifetime=int(spec.get("lifetimeSeconds", DEFAULT_DURATION)),
            conflict=conflict,
            comment=comment if comment.isprintable() else quoted(comment),
            times=times,
        )
        for target, internal_port in places
        for protocol in protocols
    ]


def _places(mapping: PortMapping, cluster: Cluster) -> list[tuple[Target, int]]:
    """Return the internal hosts and ports."""
    spec = mapping.spec
    family = _FAMILIES.get(tuple(sorted(spec.get("families") or ())), "")
    if reference := spec.get("serviceRef"):
        service = _service(mapping, reference, cluster)
        port = _service_port(service, reference.get("port"), spec)
        return [(target, target.internal_port(port)) for target in targets_of(service, "", family, cluster)]
    internal_port = int(spec.get("internalPort") or spec["port"])
    # Without a Service, the author chooses any port of a node, such as SSH.
    cluster.limits.check_internal(internal_port)
    if text := spec.get("address"):
        address = parse_address(str(text))
        cluster.check_address(address)
        return [(Target(Family.of(address), address, is_node=False), internal_port)]
    families = {"both": (Family.IPV4, Family.IPV6), "ipv6": (Family.IPV6,)}.get(family, (Family.IPV4,))
    return [(Target(own, None, is_node=False), internal_port) for own in families]


def _service(mapping: PortMapping, reference: Mapping[str, Any], cluster: Cluster) -> Service:
    service = cluster.services.get(f"{mapping.reference.namespace}/{reference['name']}")
    if service is None or service.deleting:
        raise InvalidSpec(f"there is no Service {quoted(str(reference['name']))} in this namespace")
    return service


def _service_port(service: Service, wanted: object, spec: Mapping[str, Any]) -> ServicePort:
    """Return the Service's port by name or number; without either, the one that the other fields name."""
    if wanted is None and len(service.ports) == 1:
        return service.ports[0]
    number = wanted if wanted is not None else spec.get("internalPort") or spec["port"]
    for port in service.ports:
        if number in (port.port, port.name, str(port.port)):
            return port
    raise InvalidSpec(f"the Service {service.reference.name} has no port {quoted(str(number))}")
