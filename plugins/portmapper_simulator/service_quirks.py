"""Quirks of the WAN connections: which there are, their state and their external address."""

from __future__ import annotations

from typing import Any

import attrs

from portmapper_simulator.actions import WAN_PPP_1
from portmapper_simulator.errors import Fault
from portmapper_simulator.gateway_points import EXTERNAL_ADDRESS
from portmapper_simulator.upnp_points import CALL, LAYOUT, RESPONSE, Call, Layout, Response

SILENCE = 30.0
"""Seconds that a service takes which does not answer."""


def _each_service(layout: Layout, **changes: Any) -> Layout:
    """Change every service."""
    return attrs.evolve(layout, services=tuple(attrs.evolve(s, **changes) for s in layout.services))


def _two_services(layout: Layout, **first: Any) -> Layout:
    """Add a second service that works, and change the first."""
    (service,) = layout.services[:1]
    second = attrs.evolve(service, name="WANIPConn2", control_url="/ctl/WANIPConn2")
    return attrs.evolve(layout, services=(attrs.evolve(service, **first), second))


@LAYOUT.quirk("S1", "has two WAN connections, the first disconnected")
def _first_disconnected(layout: Layout) -> Layout:
    return _two_services(layout, connected=False, external_address="0.0.0.0")


@LAYOUT.quirk("S2", "has two WAN connections, the first with a private external address")
def _first_private(layout: Layout) -> Layout:
    return _two_services(layout, external_address="192.168.100.2")


LAYOUT.quirk("S7")(_two_services)


@CALL.quirk("S7", "has two WAN connections, and the first answers AddPortMapping with 501")
def _first_refuses(call: Call) -> Call:
    if call.action.startswith("Add") and call.service is not None and call.service.name == "WANIPConn1":
        raise Fault(501)
    return call


@LAYOUT.quirk("S3-ppp", "offers WANPPPConnection:1")
def _ppp(layout: Layout) -> Layout:
    return _each_service(layout, kind=WAN_PPP_1)


LAYOUT.bundle("S3", "offers WANPPPConnection:1, as S3-ppp", "S3-ppp")


@LAYOUT.quirk("D8", "describes no WAN connection service")
def _no_service(layout: Layout) -> Layout:
    return attrs.evolve(layout, services=())


LAYOUT.quirk("firewall-control", "offers WANIPv6FirewallControl, which reports 1/1 and opens no pinhole")(
    lambda layout: attrs.evolve(layout, firewall=True)
)


@LAYOUT.quirk("S5-empty", "reports an empty external address")
def _no_address(layout: Layout) -> Layout:
    return _each_service(layout, external_address="")


@LAYOUT.quirk("S8", "reports an IPv6 address as external address")
def _ipv6_address(layout: Layout) -> Layout:
    return _each_service(layout, external_address="2001:db8::1")


EXTERNAL_ADDRESS.quirk("S5", "reports 0.0.0.0 as external address")(lambda _: "0.0.0.0")
EXTERNAL_ADDRESS.quirk("S5-loopback", "reports a loopback external address")(lambda _: "127.0.0.1")
EXTERNAL_ADDRESS.quirk("S6", "reports a private external address")(lambda _: "192.168.100.2")
EXTERNAL_ADDRESS.quirk("S6-cgnat", "reports an external address in 100.64.0.0/10")(lambda _: "100.64.12.34")


@LAYOUT.quirk("S9")
def _six_services(layout: Layout) -> Layout:
    (service,) = layout.services[:1]
    paths = [f"/ctl/silent{number}" for number in range(1, 6)]
    silent = [attrs.evolve(service, name=path[5:], control_url=path) for path in paths]
    return attrs.evolve(layout, services=(*silent, *layout.services))


@RESPONSE.quirk("S9", "has six WAN connections, and only the last one answers")
def _silent_services(response: Response) -> Response:
    return attrs.evolve(response, delay=SILENCE) if response.path.startswith("/ctl/silent") else response


LAYOUT.quirk("S10")(_two_services)


@CALL.quirk("S10", "has two WAN connections, and the first confirms every mapping and shows none")
def _first_pretends(call: Call) -> Call:
    if call.service is None or call.service.name != "WANIPConn1" or "PortMapping" not in call.action:
        return call
    if call.action.startswith("Get"):
        raise Fault(714)
    return attrs.evolve(call, action="GetStatusInfo", arguments={})
