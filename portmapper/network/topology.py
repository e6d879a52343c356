"""The last known state of this host's network, and the places of mappings in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

import attrs

from portmapper.api.backend import Target
from portmapper.api.model import ALL_GATEWAYS, Family, IPAddress, IPNetwork, Mapping
from portmapper.network.gateway_option import reachable_targets
from portmapper.network.host import Network
from portmapper.network.placement import Place, expand, places, search_targets

MOST_GATEWAYS = 8
"""Maximum number of gateways at one target for `gateway = "all"`: any host on the LAN could answer."""

_Use = tuple[IPAddress | IPNetwork | None, Family, str | None]


class Topology:
    """The host's network and the places of mappings, cached for each address, family and gateway.

    Attributes:
        network: the host's network.
        all_gateway_targets: targets of the mappings for all gateways, in order.
    """

    def __init__(self, read: Callable[[], Network], chosen: Sequence[str]) -> None:
        """Read the network for the first time.

        Args:
            read: function that reads the network.
            chosen: gateways that the user named; if empty, gateways are searched.

        Raises:
            UsageError: a named gateway is invalid.
        """
        self._read = read
        self._names = chosen
        self.network = read()
        self._chosen = reachable_targets(chosen, self.network)
        self._places: dict[_Use, list[Place]] = {}
        self.all_gateway_targets: dict[Target, None] = {}
        self._answered: dict[Target, dict[str, None]] = {}

    def refresh(self) -> frozenset[Family]:
        """Read the network again and return the families for which it changed."""
        before, chosen_before = self.network, self._chosen
        self.network = self._read().ordered_like(before).with_former_gateways_of(before)
        self._chosen = reachable_targets(self._names, self.network)
        self._places.clear()
        if self._chosen != chosen_before:
            return frozenset(Family)
        return frozenset(f for f in Family if self.network.relevant_to(f) != before.relevant_to(f))

    def expand(self, mappings: Iterable[Mapping]) -> Iterator[Mapping]:
        """Yield each mapping, then the pinholes for the other addresses of this host.

        Yield a mapping for all gateways once for each gateway that has ever answered, even if that gateway is
        gone now. Until one answers, yield the mapping unchanged.
        """
        self.all_gateway_targets.clear()
        for mapping in expand(mappings, self.network, self._chosen):
            if mapping.gateway != ALL_GATEWAYS:
                yield mapping
                continue
            targets = [place.target for place in self.places_of(mapping)]
            self.all_gateway_targets.update(dict.fromkeys(targets))
            known = dict.fromkeys(name for target in targets for name in self._answered.get(target, ()))
            yield from [attrs.evolve(mapping, gateway=name) for name in known] or [mapping]

    def add_gateways(self, target: Target, addresses: Iterable[IPAddress]) -> bool:
        """Add gateways that answered at a target; return whether mappings for all gateways need them."""
        known = self._answered.setdefault(target, {})
        new = {str(address) for address in addresses} - known.keys()
        known.update(dict.fromkeys(sorted(new)[: MOST_GATEWAYS - len(known)]))
        return bool(new) and target in self.all_gateway_targets

    def explain_no_place(self, mapping: Mapping) -> str:
        """Return why a mapping has no place."""
        family = "IPv6" if mapping.family is Family.IPV6 else "IPv4"
        if isinstance(mapping.address, IPv4Network | IPv6Network):
            return f"no interface of this host is in {mapping.address}"
        if mapping.gateway not in (None, ALL_GATEWAYS):
            named = "" if self._chosen is None else ", or it is not one of the named gateways"
            return f"no route to the gateway {mapping.gateway}{named}"
        if self._chosen and all(target.family is not mapping.family for target in self._chosen):
            return f"no {family} gateway is named"
        if self._chosen is not None:
            return "none of the named gateways is reachable"
        return f"this host has no {'stable global ' if family == 'IPv6' else ''}{family} address"

    def targets(self) -> Sequence[Target]:
        """Return every target where a gateway could answer."""
        return search_targets(self.network) if self._chosen is None else self._chosen

    def places_of(self, mapping: Mapping) -> list[Place]:
        """Return the places of a mapping, the best first."""
        use = (mapping.address, mapping.family, mapping.gateway)
        if use not in self._places:
            self._places[use] = places(mapping, self.network, self._chosen)
        return self._places[use]

    def is_current(self, target: Target) -> bool:
        """Return whether requests may still be sent to the target."""
        placed = (place.target for known in self._places.values() for place in known)
        return target in self.targets() or target in placed
