"""The network around this host as it was last read, and where in it mappings have their place."""

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
"""Gateways at one target that a mapping for all of them is kept on: whoever is on the LAN may answer."""

_Use = tuple[IPAddress | IPNetwork | None, Family, str | None]


class Topology:
    """Knows the places of mappings, worked out once for each address.

    Attributes:
        network: the host's network.
        everywhere: where gateways are looked for that mappings for all of them are kept on.
    """

    def __init__(self, read: Callable[[], Network], chosen: Sequence[str]) -> None:
        """Read the network for the first time.

        Args:
            read: reads it.
            chosen: gateways that the user named; none means that gateways are searched.

        Raises:
            UsageError: one of them is no gateway's name.
        """
        self._read = read
        self._names = chosen
        self.network = read()
        self._chosen = reachable_targets(chosen, self.network)
        self._places: dict[_Use, list[Place]] = {}
        self.all_gateway_targets: dict[Target, None] = {}
        self._answered: dict[Target, dict[str, None]] = {}

    def refresh(self) -> frozenset[Family]:
        """Read the network again; tell for which families it changed."""
        before, chosen_before = self.network, self._chosen
        self.network = self._read().ordered_like(before).with_former_gateways_of(before)
        self._chosen = reachable_targets(self._names, self.network)
        self._places.clear()
        if self._chosen != chosen_before:
            return frozenset(Family)
        return frozenset(f for f in Family if self.network.relevant_to(f) != before.relevant_to(f))

    def expand(self, mappings: Iterable[Mapping]) -> Iterator[Mapping]:
        """Yield each mapping, then those for the further addresses of a pinhole for this host.

        A mapping for all gateways comes once for each that ever answered; a gateway that goes away keeps
        its own. It comes as it is while none did.
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
        """Add gateways that answered at a target; return whether a mapping for all gateways has a new one."""
        known = self._answered.setdefault(target, {})
        new = {str(address) for address in addresses} - known.keys()
        known.update(dict.fromkeys(sorted(new)[: MOST_GATEWAYS - len(known)]))
        return bool(new) and target in self.all_gateway_targets

    def explain_no_place(self, mapping: Mapping) -> str:
        """Say why there is no place at all for a mapping."""
        family = "IPv6" if mapping.family is Family.IPV6 else "IPv4"
        if isinstance(mapping.address, IPv4Network | IPv6Network):
            return f"no interface of this host lies in {mapping.address}"
        if mapping.gateway not in (None, ALL_GATEWAYS):
            named = "" if self._chosen is None else ", or it is not one of those named"
            return f"no route to the gateway {mapping.gateway}{named}"
        if self._chosen and all(target.family is not mapping.family for target in self._chosen):
            return f"no {family} gateway is named"
        if self._chosen is not None:
            return "no gateway that is named can be reached"
        return f"this host has no {'stable global ' if family == 'IPv6' else ''}{family} address"

    def targets(self) -> Sequence[Target]:
        """Return every target where a gateway may be."""
        return search_targets(self.network) if self._chosen is None else self._chosen

    def places_of(self, mapping: Mapping) -> list[Place]:
        """Return where a mapping can be opened, the best place first."""
        use = (mapping.address, mapping.family, mapping.gateway)
        if use not in self._places:
            self._places[use] = places(mapping, self.network, self._chosen)
        return self._places[use]

    def is_current(self, target: Target) -> bool:
        """Tell whether anything may still be asked there."""
        placed = (place.target for known in self._places.values() for place in known)
        return target in self.targets() or target in placed
