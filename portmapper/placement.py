"""For whom a mapping is, and towards which gateway to ask; pure, from the network's facts."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence

import attrs

from portmapper.backend import Target
from portmapper.model import Family, IPAddress, IPNetwork, Mapping
from portmapper.network import Interface, Network


@attrs.frozen
class Place:
    """One way to fulfil a mapping.

    Attributes:
        internal_address: the host that gets the packets.
        target: where to look for the gateway that opens the port.
    """

    internal_address: IPAddress
    target: Target


def places(mapping: Mapping, network: Network, chosen: Sequence[Target] | None) -> list[Place]:
    """Return the places to try for a mapping, the best first.

    An empty address is tried on every interface, those of default routes first; a network only on
    interfaces that lie in it; a host is one of ours or a foreign device.

    Args:
        mapping: what is wanted.
        network: the host's interfaces and routes.
        chosen: gateways that the user named, in place of all that would be searched; None names none.
    """
    if chosen is not None:
        return [place for target in chosen for place in _towards(mapping, network, target)]
    version = 6 if mapping.family is Family.IPV6 else 4
    return [
        Place(internal, interface_target(network, interface, version))
        for interface in network.by_preference()
        for internal in _internal_addresses(mapping.address, network, interface, version)
    ]


def interface_target(network: Network, interface: Interface, version: int = 4) -> Target:
    """Return where to look for a gateway on one interface."""
    local = interface.first_address(version)
    assert local is not None, "only interfaces with an address of that version are asked"
    return Target(local, interface.name, network.default_gateway(interface.name, version))


def search_targets(network: Network, version: int = 4) -> list[Target]:
    """Return every place where a gateway could be, default routes first."""
    return [
        interface_target(network, interface, version)
        for interface in network.by_preference()
        if interface.first_address(version)
    ]


def _internal_addresses(
    address: IPAddress | IPNetwork | None, network: Network, interface: Interface, version: int
) -> Iterator[IPAddress]:
    local = interface.first_address(version)
    if local is None:
        return
    if address is None:
        yield local
    elif isinstance(address, ipaddress.IPv4Network | ipaddress.IPv6Network):
        inside = interface.address_in(address)
        if inside is not None:
            yield inside
    elif _reaches(interface, address) or not _is_near(network, address):
        yield address


def _reaches(interface: Interface, host: IPAddress) -> bool:
    return any(own.version == host.version and host in own.network for own in interface.addresses)


def _is_near(network: Network, host: IPAddress) -> bool:
    return any(_reaches(interface, host) for interface in network.interfaces)


def _towards(mapping: Mapping, network: Network, target: Target) -> Iterator[Place]:
    """Yield the place at a gateway that the user named, if the mapping's family and address allow it."""
    if target.local_address.version != (6 if mapping.family is Family.IPV6 else 4):
        return
    if mapping.address is None:
        yield Place(target.local_address, target)
    elif isinstance(mapping.address, ipaddress.IPv4Network | ipaddress.IPv6Network):
        if target.local_address in mapping.address:
            yield Place(target.local_address, target)
    else:
        yield Place(mapping.address, target)
