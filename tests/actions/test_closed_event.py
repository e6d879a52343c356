"""The journal's event for a closed lease."""

from __future__ import annotations

import ipaddress

from portmapper.actions.closed_event import closed_event
from portmapper.api.events import EventKind
from portmapper.api.model import Lease, Protocol


def test_the_event_names_the_mapping_and_the_gateway() -> None:
    """A lease that was not ours has no comment."""
    address = ipaddress.ip_address("192.168.88.10")
    lease = Lease(Protocol.TCP, address, 80, 8080, None, 600, False, "pcp", "pcp:192.168.88.1")
    event = closed_event(lease)
    assert (event.kind, event.external_port, event.gateway) == (EventKind.CLOSED, 8080, "192.168.88.1")
    assert (event.internal_address, event.internal_port, event.comment) == (address, 80, "")
