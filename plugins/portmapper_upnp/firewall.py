"""The actions of WANIPv6FirewallControl:1 that open, renew and close a pinhole."""

from __future__ import annotations

from portmapper.api import IPAddress, NetworkFailure, NotAuthorized, Protocol, Unsupported
from portmapper_upnp.soap_call import Service
from portmapper_upnp.soap_fault import (
    INVALID_ACTION,
    INVALID_ARGUMENTS,
    NO_PACKET_SENT,
    NO_SUCH_PINHOLE,
    NOT_AUTHORIZED,
    OPTIONAL_ACTION_ABSENT,
    Fault,
)

MAX_LEASE = 86_400
"""Seconds. Section 2.3.6 allows 1 to this value, and no permanent lease."""

UNKNOWN_PINHOLE = frozenset({NO_SUCH_PINHOLE, INVALID_ARGUMENTS, NOT_AUTHORIZED})
"""Codes for an id that does not exist or belongs to another host: after a restart a gateway reuses ids.
Some gateways answer 402 where the standard requires 704."""

_ABSENT_ACTION = frozenset({INVALID_ACTION, OPTIONAL_ACTION_ABSENT})
_NUMBERS = {Protocol.TCP: "6", Protocol.UDP: "17"}
_LONGEST_ID = 10


class FirewallControl(Service):
    """The IPv6 firewall control of one gateway."""

    async def check_allowed(self) -> None:
        """Check that the gateway allows pinholes; a gateway without this action passes.

        Raises:
            NotAuthorized: it allows no pinholes.
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
                "the gateway does not allow IPv6 pinholes (InboundPinholeAllowed is 0):"
                " allow them in its settings"
            )

    async def add(self, protocol: Protocol, address: IPAddress, port: int, lifetime: int) -> str:
        """Open a pinhole for any remote host, or renew an existing one; return its id."""
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
            raise NetworkFailure("the gateway opened a pinhole but returned no valid id")
        return pinhole

    async def update(self, pinhole: str, lifetime: int) -> bool:
        """Renew a pinhole; return whether the id exists."""
        try:
            await self.call("UpdatePinhole", UniqueID=pinhole, NewLeaseTime=str(lifetime))
        except Fault as fault:
            if fault.number in UNKNOWN_PINHOLE | _ABSENT_ACTION:
                return False
            raise
        return True

    async def delete(self, pinhole: str) -> None:
        """Close a pinhole; raise `Fault` if the id does not exist."""
        await self.call("DeletePinhole", UniqueID=pinhole)

    async def exists(self, pinhole: str) -> bool:
        """Tell whether a pinhole exists; assume so if the gateway has no action to check it."""
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
