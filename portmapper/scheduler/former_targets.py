"""Closes the gateways at targets that this host no longer has."""

from __future__ import annotations

from portmapper.gateways.discovery import Discovery
from portmapper.network.topology import Topology
from portmapper.scheduler.writer import Writer
from portmapper.store.ownership import Ownership


async def forget_old_targets(
    topology: Topology, discovery: Discovery, writer: Writer, ownership: Ownership
) -> None:
    """Close what no lease, no attempt and no orphan needs."""
    old = [search for search in discovery.searches if not topology.is_current(search.target)]
    if old and not writer.attempting and not ownership.orphans():
        records = writer.records.values()
        in_use = {place.target for record in records for place in record.places}
        await discovery.close_unused(old, in_use, [r.lease for r in records if r.lease])
