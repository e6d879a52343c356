"""What is looked at on this host: its state directory, its lists, and its way out."""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from portmapper.api.backend import Target
from portmapper.api.findings import Finding, Severity
from portmapper.api.reading import Reading, SourceState
from portmapper.daemon.pidfile import holder_of
from portmapper.network.host import Interface, Network

_SOMEWHERE_OUTSIDE = ipaddress.IPv4Address("1.1.1.1")
"""Any address of the Internet does: the system is asked for its route, and nothing is sent."""

_TUNNELS = re.compile(r"(tun|tap|wg|ppp|utun|ipsec|vpn|tailscale|nordlynx|proton|zt|mullvad)", re.IGNORECASE)


def state_directory_findings(directory: Path) -> Iterator[Finding]:
    """Tell whether leases can be written down, by writing."""
    code = "state-dir-not-writable"
    there = next(path for path in (directory, *directory.parents) if path.exists())
    try:
        if there == directory:
            tempfile.TemporaryFile(dir=directory).close()
        elif not there.is_dir() or not os.access(there, os.W_OK):
            raise PermissionError(0, f"{there} is no directory that can be written to")
    except OSError as problem:
        advice = "give the program's user that directory, or name another with --state-dir"
        yield Finding.error(
            code, f"the state directory {directory} cannot be written: {problem.strerror}", advice
        )
        return
    yield Finding.ok(code, f"the state directory {directory} can be written")


def running_findings(pid_files: Iterable[Path], sources_given: bool) -> Iterator[Finding]:
    """Tell who holds the pid file; with a list of one's own it is in the way."""
    code = "already-running"
    holder = next(filter(None, (holder_of(path) for path in pid_files)), None)
    if holder is None:
        yield Finding.ok(code, "no other instance runs")
    elif sources_given:
        advice = "stop it first, or give this one a --state-dir and a --pid-file of its own"
        yield Finding.warning(code, f"another instance runs: {holder}", advice)
    else:
        yield Finding(code, Severity.INFO, f"an instance runs: {holder}")


def source_findings(readings: Sequence[Reading]) -> Iterator[Finding]:
    """Tell of each list whether it can be read, and which rows are left out."""
    for reading in readings:
        rejected = [f"{bad.where}: {bad.reason}" for bad in reading.rejected]
        yield _source(reading.location, reading.state, reading.error, rejected, len(reading.mappings))


def daemon_source_findings(sources: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """Tell the same from a daemon's status document."""
    for source in sources:
        rejected = [f"{bad['where']}: {bad['reason']}" for bad in source["rejected"]]
        state = SourceState(source["state"])
        yield _source(source["location"], state, source["error"], rejected, source["mappings"])


def unreadable(location: str, problem: object) -> Finding:
    """Return that a list cannot be read."""
    return Finding.error("source-unreadable", f"{location}: {problem}", "mend it, and see 'portmapper check'")


def _source(
    location: str, state: SourceState, problem: str | None, rejected: Sequence[str], count: int
) -> Finding:
    if state is not SourceState.OK:
        return unreadable(location, problem)
    if rejected:
        more = f" and {len(rejected) - 1} more" if len(rejected) > 1 else ""
        summary = f"{location}: a row is left out: {rejected[0]}{more}"
        return Finding.warning("source-unreadable", summary, "mend the row; 'portmapper check' shows each")
    return Finding.ok("source-unreadable", f"{location} lists {count} mapping{'' if count == 1 else 's'}")


def route_findings(network: Network, chosen: Sequence[Target] | None) -> Iterator[Finding]:
    """Tell where the way out leads; a gateway that the user named needs no default route."""
    if chosen:
        return
    tunnel = _tunnel_outwards(network)
    routes = [route for route in network.routes if route.gateway.version == 4 and route.interface != tunnel]
    if tunnel:
        router = str(routes[0].gateway) if routes else "ROUTER"
        advice = f"name your router: --gateway {router}; ports of the VPN itself are its provider's to open"
        yield Finding.warning("vpn-default-route", f"the default route leads into a VPN ({tunnel})", advice)
    elif not network.routes:
        advice = "connect this host to a network with a router, or name a gateway with --gateway"
        yield Finding.error(
            "no-default-route", "this host has no default route, so no gateway stands before it", advice
        )
    else:
        first = network.routes[0]
        yield Finding.ok(
            "no-default-route", f"the default route leads over {first.gateway} on {first.interface}"
        )


def _tunnel_outwards(network: Network) -> str:
    """Return the name of the tunnel that traffic to the Internet takes, empty when it takes none.

    The route is asked for rather than read: WireGuard and OpenVPN leave the default route in its
    place and go round it, with a routing table of their own or with two halves of the Internet.
    """
    ours = network.local_address_towards(_SOMEWHERE_OUTSIDE)
    interface = next((i for i in network.interfaces if ours is not None and i.has(ours)), None)
    return interface.name if interface is not None and _is_tunnel(interface) else ""


def _is_tunnel(interface: Interface) -> bool:
    import psutil

    stats = psutil.net_if_stats().get(interface.name)
    return bool(_TUNNELS.match(interface.name)) or (stats is not None and "pointopoint" in stats.flags)
