"""Compares leases: which of them are for the same port and the same device, over whatever protocol."""

from __future__ import annotations

from portmapper.api.backend import Gateway
from portmapper.api.model import Family, IPAddress, Lease


def displaces(lease: Lease, other: Lease) -> bool:
    """Return whether a granted lease proves that another lease is gone.

    A gateway forwards an external port to one host only, but pinholes of several hosts may share a port.
    """
    port = (lease.protocol, lease.external_port, _device(lease))
    same_port = port == (other.protocol, other.external_port, _device(other))
    return (
        lease.family is Family.IPV4 is other.family
        and same_port
        and forward_target(lease) != forward_target(other)
    )


def is_on_device(lease: Lease, gateway: Gateway) -> bool:
    """Return whether a lease is on the gateway's device, over any port mapping protocol."""
    return _device(lease) == str(gateway.address)


def forward_target(lease: Lease) -> tuple[str, IPAddress, int]:
    """Return the device and the place that it forwards to, to compare leases of one external port."""
    return (_device(lease), lease.internal_address, lease.internal_port)


def _device(lease: Lease) -> str:
    return lease.gateway.partition(":")[2]
