"""Diagnosis of a gateway that discovery does not find: UPnP is off, or SSDP packets are blocked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from portmapper.api import BackendError, Finding, IPAddress, Target
from portmapper_upnp.device import IgdDevice
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.search import LISTEN_TIME, Search
from portmapper_upnp.ssdp_packet import read_packet

DESCRIPTIONS = (
    (5000, "/rootDesc.xml"),  # the most common daemon as distributions ship it
    (49000, "/igddesc.xml"),  # FRITZ!Box
    (2828, "/gateway_description.xml"),  # RouterOS
    (1900, "/rootDesc.xml"),
    (1900, "/igd.xml"),  # TP-Link
    (49152, "/rootDesc.xml"),
    (49152, "/gatedesc.xml"),
    (5431, "/igdevicedesc.xml"),  # Broadcom
    (52869, "/picsdesc.xml"),  # Realtek
    (37215, "/upnpdev.xml"),  # Huawei
    (65535, "/rootDesc.xml"),
    (80, "/upnp/igdesc.xml"),
)
"""Ports and paths where home routers serve their description, most common first."""

DESCRIPTION_TIME = 1.5
"""Seconds for all description checks together."""

OTHERS_TIME = 0.4
"""Seconds to wait for other gateways after the answer of the default gateway."""

Describe = Callable[[str], Awaitable[IgdDevice]]
"""Connects to the description at a URL; raises a `BackendError` if there is none."""


async def diagnose(
    target: Target, ssdp_port: int, describe: Describe, started: Callable[[Search], None]
) -> Sequence[Finding]:
    """Search by multicast only and by unicast only; without any answer, look for the description.

    Each search is passed to `started`, so that it can be ended early.

    Raises:
        NetworkFailure: nothing can be sent from our address.
    """
    gateway = target.gateway
    if gateway is None or target.local_address.version == 6:
        return ()
    by_group = Search(target.local_address, None, ssdp_port)
    directly = Search(target.local_address, gateway, ssdp_port, multicast=False)
    for search in (by_group, directly):
        started(search)
    multicast, unicast = await asyncio.gather(
        _responders(by_group, gateway), _direct_responders(directly, gateway, by_group)
    )
    others = [] if target.chosen else sorted(str(other) for other in multicast.keys() - {gateway})
    found = [
        await _reached(gateway, gateway in multicast, gateway in unicast, describe),
        *_other_gateways(others),
    ]
    location = multicast.get(gateway) or unicast.get(gateway)
    return [*found, *(await _hidden_address(location, describe) if location else ())]


async def _hidden_address(location: str, describe: Describe) -> Sequence[Finding]:
    """Report a gateway that hides its address, as many do with a private address."""
    try:
        gateway = await describe(location)
        try:
            hides = isinstance(gateway, IgdGateway) and await gateway.hides_address()
        finally:
            await gateway.close()
    except BackendError:
        return ()
    if not hides:
        return ()
    advice = "open the port on the outer router too, or put yours into bridge mode"
    summary = "the gateway is connected but reports no external address: it is behind another NAT"
    return (Finding.error("double-nat", summary, advice),)


def _other_gateways(others: Sequence[str]) -> Sequence[Finding]:
    """Report other gateways on the LAN, such as an access point with a built-in router (D9)."""
    if not others:
        return ()
    advice = "switch UPnP off on all but the router at the Internet, or select that one: --gateway ADDRESS"
    summary = f"other devices also announce themselves as gateways: {', '.join(others)}"
    return (Finding.warning("several-gateways", summary, advice),)


async def _reached(gateway: IPAddress, multicast: bool, unicast: bool, describe: Describe) -> Finding:
    if multicast:
        return Finding.ok("ssdp-multicast-blocked", "the gateway answers searches by multicast")
    if unicast:
        advice = "allow multicast to 239.255.255.250 in switches, access points and firewalls"
        summary = f"{gateway} answers a unicast search, but no multicast search"
        return Finding.warning("ssdp-multicast-blocked", summary, advice)
    return await _not_found(gateway, describe)


async def _not_found(gateway: IPAddress, describe: Describe) -> Finding:
    url = await _description(gateway, describe)
    if url is not None:
        advice = f"allow UDP port 1900, or name the description: --gateway {url}"
        return Finding.error(
            "ssdp-blocked", f"UPnP is on at {gateway}, but no SSDP search reaches it", advice
        )
    advice = (
        "the other protocols are enough; to use UPnP too, enable it (on RouterOS: /ip upnp set enabled=yes)"
    )
    return Finding.warning("upnp-off", f"UPnP is off on {gateway}", advice)


async def _responders(search: Search, gateway: IPAddress) -> Mapping[IPAddress, str]:
    """Return the devices that answer as internet gateways, with the URL of their description.

    End soon after the default gateway has answered.
    """
    found: dict[IPAddress, str] = {}
    async with search, aclosing(search.answers()) as answers:
        async for datagram in answers:
            packet = read_packet(datagram.data, datagram.sender)
            if packet is not None and packet.location is not None and _is_gateway(datagram.data):
                if packet.sender == gateway and gateway not in found:
                    search.end_after(OTHERS_TIME)
                found.setdefault(packet.sender, packet.location)
    return found


async def _direct_responders(search: Search, gateway: IPAddress, other: Search) -> Mapping[IPAddress, str]:
    """Return the devices that answer a direct search. If it ends early without any, end the other one too."""
    found = await _responders(search, gateway)
    if not found:
        other.end_after(LISTEN_TIME)
    return found


def _is_gateway(packet: bytes) -> bool:
    """Tell whether an internet gateway sent the packet: other devices answer to upnp:rootdevice too."""
    return any(word in packet.lower() for word in (b"internetgatewaydevice", b"wanipconn", b"wanpppconn"))


async def _description(gateway: IPAddress, describe: Describe) -> str | None:
    """Return the first URL that serves a gateway description, None if none answers in time."""
    urls = [f"http://{gateway}:{port}{path}" for port, path in DESCRIPTIONS]
    checks = [asyncio.create_task(_has_description(url, describe)) for url in urls]
    try:
        await asyncio.wait(checks, timeout=DESCRIPTION_TIME)
        return next(
            (url for url, check in zip(urls, checks, strict=True) if check.done() and check.result()), None
        )
    finally:
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)


async def _has_description(url: str, describe: Describe) -> bool:
    try:
        await (await describe(url)).close()
    except BackendError:
        return False
    return True
