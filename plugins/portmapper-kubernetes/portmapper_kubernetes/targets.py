"""Where the ports of a Service lead: its load balancer's address, an external IP, or a node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from portmapper.api import Family, IPAddress, quoted
from portmapper_kubernetes.cluster import Cluster
from portmapper_kubernetes.limits import addresses_of, parse_address
from portmapper_kubernetes.objects import Service, ServicePort
from portmapper_kubernetes.rejections import InvalidSpec

LOAD_BALANCER = "load-balancer"
NODE = "node"

FAMILIES = {
    "": (),
    "ipv4": (Family.IPV4,),
    "ipv6": (Family.IPV6,),
    "both": (Family.IPV4, Family.IPV6),
}


@attrs.frozen
class Target:
    """The internal host of one family.

    Attributes:
        family: address family.
        address: the host's address; None for the host that runs portmapper.
        is_node: the host listens on the node port, and not on the Service's port.
    """

    family: Family
    address: IPAddress | None
    is_node: bool

    def internal_port(self, port: ServicePort) -> int:
        """Return the port on which the host listens. Raise `InvalidSpec` if it has none."""
        if self.is_node and not port.node_port:
            raise InvalidSpec(
                f"port {port.port} has no node port: use type LoadBalancer or NodePort, or set an external IP"
            )
        return port.node_port if self.is_node else port.port


def targets_of(service: Service, wanted: str, family: str, cluster: Cluster) -> list[Target]:
    """Return the hosts to map to, one for each family.

    `wanted` and `family` are the annotations `address` and `family`; empty text chooses.

    Raises:
        InvalidSpec: an annotation is invalid, or the Service has no such address.
        DeniedByPolicy: the operator does not allow this address.
    """
    if family.lower() not in FAMILIES:
        raise InvalidSpec(f"family {quoted(family)} is not one of ipv4, ipv6, both")
    families = FAMILIES[family.lower()]
    ingress, external = addresses_of(service.ingress), addresses_of(service.external_ips)
    if wanted.lower() == LOAD_BALANCER or (not wanted and ingress):
        return _first_of_each(ingress, families, "the load balancer has given no address yet")
    if not wanted and external:
        targets = _first_of_each(external, families, "it has no external IP of this family")
        for target in targets:
            if target.address is not None:
                cluster.check_address(target.address)
        return targets
    if not wanted or wanted.lower() == NODE:
        return [Target(family, None, is_node=True) for family in families or (Family.IPV4,)]
    address = parse_address(wanted)
    if address not in ingress:
        cluster.check_address(address)
    has_node_ports = any(port.node_port for port in service.ports)
    is_node = address not in (*ingress, *external) and has_node_ports
    return [Target(Family.of(address), address, is_node)]


def _first_of_each(addresses: Sequence[IPAddress], families: Iterable[Family], missing: str) -> list[Target]:
    """Return the first address of each family; without families, of the first family that has one."""
    first: dict[Family, Target] = {}
    for address in addresses:
        first.setdefault(Family.of(address), Target(Family.of(address), address, is_node=False))
    wanted = tuple(families) or tuple(family for family in Family if family in first)[:1]
    found = [first[family] for family in wanted if family in first]
    if not found:
        raise InvalidSpec(missing)
    return found
