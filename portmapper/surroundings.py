"""The network around this host as it was last read, and where in it mappings have their place."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from portmapper.backend import Target
from portmapper.chosen import reachable_targets
from portmapper.model import Family, IPAddress, IPNetwork, Mapping
from portmapper.network import Network
from portmapper.placement import Place, places, search_targets


class Surroundings:
    """Knows the places of mappings, worked out once for each address.

    Attributes:
        network: the host's network.
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
        self._places: dict[tuple[IPAddress | IPNetwork | None, Family], list[Place]] = {}

    def look(self) -> bool:
        """Read the network again; tell whether it changed."""
        before = (self.network, self._chosen)
        self.network = self._read()
        self._chosen = reachable_targets(self._names, self.network)
        self._places.clear()
        return (self.network, self._chosen) != before

    def targets(self) -> Sequence[Target]:
        """Return every target where a gateway may be."""
        return search_targets(self.network) if self._chosen is None else self._chosen

    def places_of(self, mapping: Mapping) -> list[Place]:
        """Return where a mapping can be opened, the best place first."""
        use = (mapping.address, mapping.family)
        if use not in self._places:
            self._places[use] = places(mapping, self.network, self._chosen)
        return self._places[use]

    def is_current(self, target: Target) -> bool:
        """Tell whether anything may still be asked there."""
        placed = (place.target for known in self._places.values() for place in known)
        return target in self.targets() or target in placed
