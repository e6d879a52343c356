"""Check whether a program of this host listens on the internal address and port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress
from portmapper.doctor.desired import DesiredPort
from portmapper.network.listeners import Listener


def listening_findings(
    desired: Iterable[DesiredPort], listeners: Sequence[Listener], is_ours: Callable[[IPAddress], bool]
) -> Iterator[Finding]:
    """Report for each port of this host whether a program listens."""
    for port in desired:
        if is_ours(port.internal_address):
            endpoint = (port.protocol, port.internal_port)
            found = _listening_finding(port, [one for one in listeners if one.endpoint == endpoint])
            yield found.about(str(port))


def _listening_finding(port: DesiredPort, listeners: Sequence[Listener]) -> Finding:
    name = f"{port.internal_port}/{port.protocol.lower()}"
    if any(listener.receives(port.internal_address) for listener in listeners):
        return Finding.ok("nothing-listening", f"a program listens on {name}")
    if listeners and all(listener.address.is_loopback for listener in listeners):
        advice = f"configure the program to listen on {port.internal_address} or on all addresses"
        summary = f"the program on {name} listens on {listeners[0].address} only"
        return Finding.warning("listening-on-loopback", summary, advice)
    elsewhere = f" at {port.internal_address}" if listeners else ""
    summary = f"nothing listens on {name}{elsewhere}"
    return Finding.warning("nothing-listening", summary, "start the program that uses the port")
