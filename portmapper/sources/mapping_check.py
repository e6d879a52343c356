"""Checks a mapping of a source by the policy, the trust in the source, and this host's network."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address

from portmapper.api.errors import RowError, SourceError, quoted
from portmapper.api.model import ConflictPolicy, IPAddress, Mapping
from portmapper.api.suggestions import nearest
from portmapper.network.host import Network, read_network
from portmapper.sources.policy import Policy
from portmapper.sources.trust import Trust


def mapping_check(
    policy: Policy,
    trust: frozenset[Trust],
    network: Callable[[], Network] = read_network,
    needed_in: str = "the [[source]] table of this list",
    backends: Sequence[str] = (),
) -> Callable[[Mapping], None]:
    """Return a check for one reading; it raises `RowError` if the mapping is denied or impossible.

    `needed_in` is where the settings file could allow more. `backends` are the known names; empty for any.
    """
    facts = functools.cache(lambda: _known(network))
    refusal = policy.checker(facts)

    def check(mapping: Mapping) -> None:
        if reason := refusal(mapping):
            raise RowError("", reason)
        if mapping.conflict is ConflictPolicy.TAKE and Trust.TAKE not in trust:
            raise RowError("conflict", f'overwrite needs trust = ["take"] in {needed_in}')
        if mapping.backend and backends and mapping.backend not in backends:
            near = nearest(mapping.backend, tuple(backends))
            raise RowError("backend", f"no backend named {quoted(mapping.backend)}{near}")
        if isinstance(mapping.address, IPv4Address | IPv6Address):
            _check_host(mapping.address, trust, facts(), needed_in)

    return check


def _check_host(
    address: IPv4Address | IPv6Address, trust: frozenset[Trust], network: Network, needed_in: str
) -> None:
    if reason := unusable_here(address, network):
        raise RowError("address", f"{address} {reason}")
    if Trust.ADDRESSES not in trust and not network.is_ours(address):
        needed = f'trust = ["addresses"] in {needed_in}'
        raise RowError("address", f"{address} is not this host: another host needs {needed}")


def _known(network: Callable[[], Network]) -> Network:
    try:
        return network()
    except OSError as error:
        # The source goes stale, so no row is judged without facts.
        raise SourceError(f"this host's network cannot be read: {error.strerror}") from None


def unusable_here(address: IPAddress, network: Network) -> str:
    """Return why an address can be no internal host on this network; empty if it can."""
    if network.is_ours(address):
        return ""
    if any(route.gateway == address for route in (*network.routes, *network.former)):
        return "is the gateway's own address: a gateway forwards ports to the hosts behind it"
    for own in (own for interface in network.interfaces for own in interface.addresses):
        # RFC 3021: a /31 has no network and no broadcast address.
        if own.version != 4 or own.network.prefixlen > 30:
            continue
        if address == own.network.network_address:
            return f"is the address of the network {own.network}, not of a host"
        if address == own.network.broadcast_address:
            return f"is the broadcast address of {own.network}, not of a host"
    return ""
