"""Findings about this host: its state directory, its sources and its default route."""

from __future__ import annotations

import ipaddress
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from portmapper.api.backend import Target
from portmapper.api.findings import Finding
from portmapper.api.reading import Reading, SourceState
from portmapper.daemon.pidfile import holder_of
from portmapper.network.host import Interface, Network
from portmapper.support.text import plural

_INTERNET_ADDRESS = ipaddress.IPv4Address("1.1.1.1")
"""Any Internet address works: the system is queried for the route, and nothing is sent."""

_TUNNELS = re.compile(r"(tun|tap|wg|ppp|utun|ipsec|vpn|tailscale|nordlynx|proton|zt|mullvad)", re.IGNORECASE)


def state_directory_findings(directory: Path) -> Iterator[Finding]:
    """Report whether the state directory is writable, by writing a temporary file."""
    code = "state-dir-not-writable"
    there = next(path for path in (directory, *directory.parents) if path.exists())
    try:
        if there == directory:
            tempfile.TemporaryFile(dir=directory).close()
        elif not there.is_dir() or not os.access(there, os.W_OK):
            raise PermissionError(0, f"{there} is not a writable directory")
    except OSError as problem:
        advice = (
            "give the user that runs portmapper write access to it, or use another directory with --state-dir"
        )
        yield Finding.error(
            code, f"the state directory {directory} is not writable: {problem.strerror}", advice
        )
        return
    yield Finding.ok(code, f"the state directory {directory} is writable")


def running_findings(pid_files: Iterable[Path]) -> Iterator[Finding]:
    """Report whether the daemon runs. Both are good: it keeps ports open, or nothing is in the way."""
    code = "already-running"
    holder = next(filter(None, (holder_of(path) for path in pid_files)), None)
    if holder is None:
        yield Finding.ok(code, "no other instance is running")
    else:
        yield Finding.ok(code, f"the daemon runs: {holder}")


def source_findings(readings: Sequence[Reading]) -> Iterator[Finding]:
    """Report for each source whether it can be read, and its rejected rows."""
    for reading in readings:
        rejected = [f"{bad.place}: {bad.reason}" for bad in reading.rejected]
        yield _source_finding(reading.location, reading.state, reading.error, rejected, len(reading.mappings))


def daemon_source_findings(sources: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """Report the same from the sources in a daemon's status document."""
    for source in sources:
        rejected = [f"{bad['where']}: {bad['reason']}" for bad in source["rejected"]]
        state = SourceState(source["state"])
        yield _source_finding(source["location"], state, source["error"], rejected, source["mappings"])


def unreadable_finding(location: str, problem: object) -> Finding:
    """Return the finding for a source that cannot be read."""
    return Finding.error(
        "source-unreadable", f"{location}: {problem}", "fix the source; 'portmapper check' shows the errors"
    )


def _source_finding(
    location: str, state: SourceState, problem: str | None, rejected: Sequence[str], count: int
) -> Finding:
    if state is not SourceState.OK:
        return unreadable_finding(location, problem)
    if rejected:
        more = f" and {len(rejected) - 1} more" if len(rejected) > 1 else ""
        summary = f"{location}: rejected row: {rejected[0]}{more}"
        return Finding.warning(
            "source-unreadable", summary, "fix the row; 'portmapper check' shows each error"
        )
    return Finding.ok("source-unreadable", f"{location} lists {plural(count, 'mapping')}")


def route_findings(network: Network, chosen: Sequence[Target] | None) -> Iterator[Finding]:
    """Report where the default route leads; a gateway that the user named needs none."""
    if chosen:
        return
    tunnel = _default_tunnel(network)
    routes = [route for route in network.routes if route.gateway.version == 4 and route.interface != tunnel]
    if tunnel:
        router = str(routes[0].gateway) if routes else "ROUTER"
        advice = (
            f"name your router with --gateway {router}; only the VPN's provider can open ports of the VPN"
        )
        yield Finding.warning("vpn-default-route", f"the default route leads into a VPN ({tunnel})", advice)
    elif not network.routes:
        advice = "connect this host to a network with a router, or name a gateway with --gateway"
        yield Finding.error(
            "no-default-route", "this host has no default route, so it has no gateway", advice
        )
    else:
        first = network.routes[0]
        yield Finding.ok(
            "no-default-route", f"the default route leads to {first.gateway} on {first.interface}"
        )


def _default_tunnel(network: Network) -> str:
    """Return the name of the tunnel that carries Internet traffic; empty if there is none.

    The system is queried for the route, because WireGuard and OpenVPN keep the default route: they use their
    own routing table, or routes for the two halves of the Internet.
    """
    ours = network.local_address_towards(_INTERNET_ADDRESS)
    interface = next((i for i in network.interfaces if ours is not None and i.has(ours)), None)
    return interface.name if interface is not None and _is_tunnel(interface) else ""


def _is_tunnel(interface: Interface) -> bool:
    import psutil

    stats = psutil.net_if_stats().get(interface.name)
    return bool(_TUNNELS.match(interface.name)) or (stats is not None and "pointopoint" in stats.flags)
