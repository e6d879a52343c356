"""Whether the policy denies what a list leaves open: a port that a gateway chose, and this host's address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from portmapper.api.model import IPAddress, Mapping
from portmapper.scheduler.options import PolicyCheck
from portmapper.support.values import evolve


def denial(mapping: Mapping, port: int, policy_check: PolicyCheck) -> str:
    """Return why the policy denies an external port; empty if it is allowed, or is that of the list."""
    if port == mapping.port:
        return ""  # checked with the list
    return policy_check()(evolve(mapping, port=port))


def denial_here(mapping: Mapping, address: IPAddress, policy_check: PolicyCheck) -> str:
    """Return why the policy denies this host's address, which may have changed since the list was read."""
    if isinstance(mapping.address, IPv4Address | IPv6Address):
        return ""  # checked with the list
    return policy_check()(evolve(mapping, address=address))
