"""WANIPv6FirewallControl:1: the actions that open, renew and close a pinhole."""

from __future__ import annotations

from portmapper.api import IPAddress, NetworkFailure, NotAuthorized, Protocol, Unsupported
from portmapper_upnp.faults import (
    INVALID_ACTION,
    INVALID_ARGUMENTS,
    NO_PACKET_SENT,
    NO_SUCH_PINHOLE,
    NOT_AUTHORIZED,
    OPTIONAL_ACTION_ABSENT,
    Fault,
)
from portmapper_upnp.soap_call import Service

LONGEST_LEASE = 86_400
"""Seconds; section 2.3.6 allows 1 to this, and has no lease without end."""

UNKNOWN_PINHOLE = frozenset({NO_SUCH_PINHOLE, INVALID_ARGUMENTS, NOT_AUTHORIZED})
"""How gateways say that an id is nobody's, or another host's by now: the ids of before a restart are
given anew. miniupnpd 2.3.1 says 402 where the standard has 704."""

_ABSENT_ACTION = frozenset({INVALID_ACTION, OPTIONAL_ACTION_ABSENT})
_NUMBERS = {Protocol.TCP: "6", Protocol.UDP: "17"}
_LONGEST_ID = 10


class FirewallControl(Service):
    """The firewall of one gateway."""

    async def check_allowed(self) -> None:
        """Ask whether pinholes make sense here; a gateway that does not tell is tried.

        Raises:
            NotAuthorized: it lets nobody open one.
            Unsupported: its firewall is off.
        """
        try:
            status = await self.call("GetFirewallStatus")
        except Fault as fault:
            if fault.number in _ABSENT_ACTION:
                return
            raise
        if _is_no(status.get("FirewallEnabled", "")):
            raise Unsupported("the gateway's IPv6 firewall is off: there is nothing to open a pinhole in")
        if _is_no(status.get("InboundPinholeAllowed", "")):
            raise NotAuthorized(
                "the gateway lets nobody open IPv6 pinholes (InboundPinholeAllowed is 0):"
                " its own settings have to allow it"
            )

    async def add(self, protocol: Protocol, address: IPAddress, port: int, lifetime: int) -> str:
        """Open a pinhole for everybody outside, or renew the one that stands; return its id."""
        answer = await self.call(
            "AddPinhole",
            RemoteHost="",
            RemotePort="0",
            InternalClient=str(address),
            InternalPort=str(port),
            Protocol=_NUMBERS[protocol],
            LeaseTime=str(lifetime),
        )
        pinhole = answer.get("UniqueID", "").strip()
        if not (pinhole.isascii() and pinhole.isdigit() and len(pinhole) <= _LONGEST_ID):
            raise NetworkFailure("the gateway opens a pinhole and does not tell its id")
        return pinhole

    async def update(self, pinhole: str, lifetime: int) -> bool:
        """Renew a pinhole; tell whether there was one of that id."""
        try:
            await self.call("UpdatePinhole", UniqueID=pinhole, NewLeaseTime=str(lifetime))
        except Fault as fault:
            if fault.number in UNKNOWN_PINHOLE | _ABSENT_ACTION:
                return False
            raise
        return True

    async def delete(self, pinhole: str) -> None:
        """Close a pinhole; raises `Fault` also when it is not there."""
        await self.call("DeletePinhole", UniqueID=pinhole)

    async def stands(self, pinhole: str) -> bool:
        """Tell whether there is a pinhole of that id; a gateway that cannot tell is believed."""
        for action in ("GetPinholePackets", "CheckPinholeWorking"):
            try:
                await self.call(action, UniqueID=pinhole)
            except Fault as fault:
                if fault.number in UNKNOWN_PINHOLE:
                    return False
                if fault.number not in _ABSENT_ACTION | {NO_PACKET_SENT}:
                    raise
                if fault.number in _ABSENT_ACTION:
                    continue
            return True
        return True


def _is_no(text: str) -> bool:
    return text.strip().lower() in ("0", "false", "no")
