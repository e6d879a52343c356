"""Closes the gateways at targets that this host no longer has."""

from __future__ import annotations

from collections.abc import Collection

from portmapper.gateways.discovery import Discovery
from portmapper.network.topology import Topology
from portmapper.scheduler.record import Record


async def forget_old_targets(topology: Topology, discovery: Discovery, records: Collection[Record]) -> None:
    """Close what no mapping and no lease needs."""
    old = [search for search in discovery.searches if not topology.is_current(search.target)]
    if old:
        in_use = {place.target for record in records for place in record.places}
        await discovery.close_unused(old, in_use, [r.lease for r in records if r.lease])
