"""Why a gateway's UPnP is not found: switched off, or its answers to a search do not reach us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing

from portmapper.api import BackendError, Finding, IPAddress, Target
from portmapper_upnp.answer import read_packet
from portmapper_upnp.device import IgdDevice
from portmapper_upnp.igd import IgdGateway
from portmapper_upnp.search import Search

DESCRIPTIONS = (
    (5000, "/rootDesc.xml"),  # miniupnpd as distributions ship it
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
"""Ports and paths at which home routers serve their description, most common first."""

LOOK_TIME = 4.0
"""Seconds for all of them together."""

Describe = Callable[[str], Awaitable[IgdDevice]]
"""Makes a gateway of the description at a URL; raises a `BackendError` where there is none."""


async def diagnose(target: Target, ssdp_port: int, describe: Describe) -> Sequence[Finding]:
    """Search by multicast alone and by unicast alone; where neither is answered, look for the description.

    Raises:
        NetworkFailure: nothing can be sent from our address.
    """
    gateway = target.gateway
    if gateway is None or target.local_address.version == 6:
        return ()
    multicast, unicast = await asyncio.gather(
        _answering(Search(target.local_address, None, ssdp_port)),
        _answering(Search(target.local_address, gateway, ssdp_port, multicast=False)),
    )
    others = [] if target.chosen else sorted(str(other) for other in multicast.keys() - {gateway})
    found = [await _reached(gateway, gateway in multicast, gateway in unicast, describe), *_several(others)]
    location = multicast.get(gateway) or unicast.get(gateway)
    return [*found, *(await _hidden(location, describe) if location else ())]


async def _hidden(location: str, describe: Describe) -> Sequence[Finding]:
    """Tell that the gateway keeps its address to itself, as miniupnpd does with a private one."""
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
    summary = "the gateway is connected and shows no address: another NAT stands before it"
    return (Finding.error("double-nat", summary, advice),)


def _several(others: Sequence[str]) -> Sequence[Finding]:
    """Name the other gateways of the LAN, such as an access point with a router inside (D9)."""
    if not others:
        return ()
    advice = "switch UPnP off on all but the one before the Internet, or name that: --gateway ADDRESS"
    summary = f"besides the default gateway these call themselves one: {', '.join(others)}"
    return (Finding.warning("several-gateways", summary, advice),)


async def _reached(gateway: IPAddress, multicast: bool, unicast: bool, describe: Describe) -> Finding:
    if multicast:
        return Finding.ok("ssdp-multicast-blocked", "the gateway answers searches by multicast")
    if unicast:
        advice = "let multicast to 239.255.255.250 pass in switches, access points and firewalls"
        summary = f"{gateway} answers a search of its own, but none by multicast"
        return Finding.warning("ssdp-multicast-blocked", summary, advice)
    return await _silent(gateway, describe)


async def _silent(gateway: IPAddress, describe: Describe) -> Finding:
    url = await _description(gateway, describe)
    if url is not None:
        advice = f"let UDP port 1900 pass, or name the description: --gateway {url}"
        return Finding.error("ssdp-blocked", f"{gateway} has UPnP, but no search (SSDP) reaches it", advice)
    advice = (
        "other protocols do its work; to have it too, switch it on (on RouterOS: /ip upnp set enabled=yes)"
    )
    return Finding.warning("upnp-off", f"UPnP is off on {gateway}", advice)


async def _answering(search: Search) -> Mapping[IPAddress, str]:
    """Return who answers as an internet gateway, with where it is described."""
    found: dict[IPAddress, str] = {}
    async with search, aclosing(search.answers()) as answers:
        async for datagram in answers:
            packet = read_packet(datagram.data, datagram.sender)
            if packet is not None and packet.location is not None and _is_gateway(datagram.data):
                found.setdefault(packet.sender, packet.location)
    return found


def _is_gateway(packet: bytes) -> bool:
    """Tell whether the answer is an internet gateway's: other devices answer to upnp:rootdevice too."""
    return any(word in packet.lower() for word in (b"internetgatewaydevice", b"wanipconn", b"wanpppconn"))


async def _description(gateway: IPAddress, describe: Describe) -> str | None:
    """Return the first place at which a gateway is described, None when there is none in time."""
    urls = [f"http://{gateway}:{port}{path}" for port, path in DESCRIPTIONS]
    looks = [asyncio.create_task(_look(url, describe)) for url in urls]
    try:
        await asyncio.wait(looks, timeout=LOOK_TIME)
        return next(
            (url for url, look in zip(urls, looks, strict=True) if look.done() and look.result()), None
        )
    finally:
        for look in looks:
            look.cancel()
        await asyncio.gather(*looks, return_exceptions=True)


async def _look(url: str, describe: Describe) -> bool:
    try:
        await (await describe(url)).close()
    except BackendError:
        return False
    return True
