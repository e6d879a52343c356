"""Reads this host's network from the system: interfaces, addresses and default routes."""

from __future__ import annotations

import ipaddress
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import attrs

from portmapper.api.model import Family, IPAddress, IPNetwork
from portmapper.support.values import frozen

if TYPE_CHECKING:
    from portmapper.network.linux import InterfaceFacts, RouteFacts

IPInterface = ipaddress.IPv4Interface | ipaddress.IPv6Interface

_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_UNIQUE_LOCAL = ipaddress.ip_network("fc00::/7")


@frozen
class DefaultRoute:
    """A default route.

    Attributes:
        interface: name of the interface; empty if the system does not report it.
        gateway: the next hop.
        metric: lower is preferred.
    """

    interface: str
    gateway: IPAddress
    metric: int = 0


@frozen
class Interface:
    """One interface that is up.

    Attributes:
        name: the system's name.
        addresses: each with its network.
        transient: IPv6 addresses that will disappear soon or are unusable: temporary (RFC 8981), deprecated,
            tentative and duplicate addresses.
    """

    name: str
    addresses: tuple[IPInterface, ...]
    transient: frozenset[IPAddress] = frozenset()

    @property
    def stable_ipv6(self) -> Sequence[IPAddress]:
        """Stable global IPv6 addresses, or else stable unique local ones.

        Unique local addresses (RFC 4193) are reachable from outside if the network translates prefixes
        (RFC 6296).
        """
        stable = [a.ip for a in self.addresses if a.version == 6 and a.ip not in self.transient]
        public = [address for address in stable if address in _GLOBAL_UNICAST]
        return public or [address for address in stable if address in _UNIQUE_LOCAL]

    def address_in(self, network: IPNetwork) -> IPAddress | None:
        """Return our first stable address on this interface in `network`."""
        inside = (a.ip for a in self.addresses if a.version == network.version and a.ip in network)
        return next((address for address in inside if address not in self.transient), None)

    def first_address(self, version: int) -> IPAddress | None:
        """Return our first address of an IP version; for IPv6 the first stable one."""
        if version == 6:
            return next(iter(self.stable_ipv6), None)
        return next((a.ip for a in self.addresses if a.version == version), None)

    def relevant_to(self, family: Family) -> Sequence[object]:
        """Return the addresses that are relevant to a family."""
        if family is Family.IPV6:
            return self.stable_ipv6
        return [own for own in self.addresses if own.version == 4]

    def reaches(self, host: IPAddress) -> bool:
        """Return whether `host` is on this interface's link."""
        return any(own.version == host.version and host in own.network for own in self.addresses)

    def has(self, address: IPAddress) -> bool:
        """Return whether this interface has the address, regardless of the zone."""
        return any(int(own.ip) == int(address) and own.version == address.version for own in self.addresses)


@frozen
class Network:
    """The host's network at one moment.

    Attributes:
        interfaces: interfaces that are up, without loopback.
        routes: default routes, the preferred one first.
        former: removed default routes (for example by a VPN) whose gateways are still on a link.
    """

    interfaces: tuple[Interface, ...]
    routes: tuple[DefaultRoute, ...]
    former: tuple[DefaultRoute, ...] = attrs.field(default=(), eq=False)

    def is_ours(self, address: IPAddress) -> bool:
        """Return whether `address` belongs to this host."""
        return address.is_loopback or any(interface.has(address) for interface in self.interfaces)

    def interface_of(self, address: IPAddress) -> str | None:
        """Return the name of the interface that has one of our addresses."""
        return next((interface.name for interface in self.interfaces if interface.has(address)), None)

    def relevant_to(self, family: Family) -> object:
        """Return the facts relevant to a family: if they are equal, nothing changed for this family."""
        routes = tuple(route for route in self.routes if route.gateway.version == family.version)
        return routes, tuple((i.name, tuple(i.relevant_to(family))) for i in self.interfaces)

    def ordered_like(self, before: Network) -> Network:
        """Return the same network with the addresses in their order in `before`, and new addresses last.

        The first address has a special role, and a new address must not take it.
        """
        known = {i.name: {a: place for place, a in enumerate(i.addresses)} for i in before.interfaces}
        return attrs.evolve(
            self, interfaces=tuple(_in_order(i, known.get(i.name, {})) for i in self.interfaces)
        )

    def with_former_gateways_of(self, before: Network) -> Network:
        """Return the same network plus the IPv4 gateways that its interfaces had in `before`.

        A VPN may remove the default route, but the gateway is still reachable and holds our leases.
        """
        sides = {i.name: i for i in self.interfaces}
        near = (r for r in (*before.routes, *before.former) if r.interface in sides)
        near = (r for r in near if r.gateway.version == 4 and self.default_gateway(r.interface) is None)
        former = {r.interface: r for r in near if sides[r.interface].reaches(r.gateway)}
        return attrs.evolve(self, former=tuple(former.values()))

    def default_gateway(self, interface: str, version: int = 4) -> IPAddress | None:
        """Return the gateway of an interface, None if it has and had no default route."""
        by_it = (r.gateway for r in (*self.routes, *self.former) if r.interface == interface)
        return next((gateway for gateway in by_it if gateway.version == version), None)

    def by_preference(self, version: int = 4) -> list[Interface]:
        """Return the interfaces: those with a default route first, in the order of the routes."""
        order = [route.interface for route in self.routes if route.gateway.version == version]
        return sorted(self.interfaces, key=lambda i: order.index(i.name) if i.name in order else len(order))

    def local_address_towards(self, address: IPAddress) -> IPAddress | None:
        """Return the source address that this host would use for `address`, without sending anything."""
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(_socket_address(address, 9))
                return ipaddress.ip_address(probe.getsockname()[0])
        except OSError:
            return None


def read_network() -> Network:
    """Read the current interfaces and default routes."""
    interfaces, routes = _facts()
    found = (DefaultRoute(*facts) for facts in routes)
    by_metric = sorted(found, key=lambda route: route.metric)
    return Network(tuple(Interface(*facts) for facts in interfaces), tuple(by_metric))


def _socket_address(address: IPAddress, port: int) -> tuple[object, ...]:
    """Return a socket address with the zone as a number. Raise `OSError` if the interface does not exist."""
    if isinstance(address, ipaddress.IPv4Address):
        return (str(address), port)
    link = socket.if_nametoindex(address.scope_id) if address.scope_id else 0
    return (str(address).partition("%")[0], port, 0, link)


def _in_order(interface: Interface, known: dict[IPInterface, int]) -> Interface:
    addresses = sorted(interface.addresses, key=lambda address: known.get(address, len(known)))
    return attrs.evolve(interface, addresses=tuple(addresses))


def _facts() -> tuple[Iterable[InterfaceFacts], Iterable[RouteFacts]]:
    """Return the fields of the interfaces and of the default routes."""
    if sys.platform == "linux":
        from portmapper.network import linux

        return linux.read()
    return list(_interfaces()), _default_routes()


def _interfaces() -> Iterator[InterfaceFacts]:
    import psutil

    transient = _transient_addresses()
    up = {name for name, stats in psutil.net_if_stats().items() if stats.isup}
    for name, addresses in psutil.net_if_addrs().items():
        if name in up:
            usable = tuple(_usable(addresses))
            if usable:
                own = frozenset(address.ip for address in usable)
                yield name, usable, own & transient


def _transient_addresses() -> frozenset[IPAddress]:
    if sys.platform == "win32":
        return frozenset()
    from portmapper.network import bsd

    return bsd.transient_addresses()


def _usable(addresses: Iterable[object]) -> Iterator[IPInterface]:
    for entry in addresses:
        if getattr(entry, "family", None) not in (socket.AF_INET, socket.AF_INET6):
            continue
        address = str(getattr(entry, "address", "")).partition("%")[0]
        mask = getattr(entry, "netmask", None)
        interface = ipaddress.ip_interface(f"{address}/{_prefix_length(mask)}" if mask else address)
        if not interface.ip.is_loopback:
            yield interface


def _prefix_length(mask: str) -> int:
    return int(ipaddress.ip_address(mask.partition("%")[0])).bit_count()


def _default_routes() -> Iterable[RouteFacts]:
    if sys.platform == "win32":
        from portmapper.network import windows

        return windows.default_routes()
    from portmapper.network import bsd, scutil

    routes = list(bsd.default_routes())
    if not routes and sys.platform == "darwin":
        return scutil.parse_primary_routes(bsd.output_of(scutil.COMMAND, scutil.QUESTION))
    return routes
