"""The NAT-PMP backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

import natpmp

from portmapper.api import (
    ANY_PORT,
    Backend,
    Diagnoses,
    Finding,
    Gateway,
    GatewayEvent,
    IPAddress,
    Lease,
    MapRequest,
    Protocol,
    Target,
    Unsupported,
)
from portmapper_pcp import natpmp_codec, pcp_codec
from portmapper_pcp.diagnosis import diagnose
from portmapper_pcp.epoch import natpmp_restarted
from portmapper_pcp.former_address import is_lost
from portmapper_pcp.gateway import LONGEST_LIFETIME, Port5351Gateway, answering
from portmapper_pcp.natpmp_codec import Reply
from portmapper_pcp.results import natpmp_error
from portmapper_pcp.schedule import PROBE_LIMIT, REQUEST_LIMIT, waits

_SUCCESS = natpmp.NATPMP_RESULT_SUCCESS
_TOLD = frozenset(
    {_SUCCESS, natpmp.NATPMP_RESULT_NETWORK_FAILURE, natpmp.NATPMP_RESULT_UNSUPPORTED_OPERATION}
)
"""Answers to the question for the address: it, that there is none, or that only ports are to be had."""

SURELY_OURS = 120.0
"""Seconds after the last answer to an address that is gone now in which it cannot be another host's: DHCP
servers hand out an address again when its lease is over, and the least recently used one first."""


class NatPmpGateway(Port5351Gateway[Reply]):
    """A gateway that speaks NAT-PMP."""

    backend = "natpmp"
    protocol = "NAT-PMP 0"

    def __init__(self, target: Target) -> None:
        super().__init__(target, natpmp_codec.read_reply, natpmp_restarted)
        self._external_address: IPAddress | None = None

    async def map(self, request: MapRequest) -> Lease:
        """Ask for the mapping; NAT-PMP may always grant another port than the one suggested."""
        self._check(request.internal_address)
        reply = await self._ask_to_map(
            request.protocol,
            request.internal_port,
            self._suggestion(request),
            request.lifetime or LONGEST_LIFETIME,
            urgent=request.anew,
        )
        return Lease(
            protocol=request.protocol,
            internal_address=request.internal_address,
            internal_port=request.internal_port,
            external_port=reply.external_port,
            external_address=self._external_address,
            lifetime=reply.lifetime,
            permanent=False,
            backend=self.backend,
            gateway=self.identity,
            token=request.token,
        )

    async def unmap(self, lease: Lease) -> None:
        """Delete with lifetime 0 and external port 0 (section 3.4); what is gone already succeeds."""
        self._check(lease.internal_address)
        if is_lost(self.local_address) and self._was_ours_lately():
            packet = natpmp_codec.map_request(lease.protocol, lease.internal_port, ANY_PORT, 0)
            await self._say_from(self.local_address, packet)
        await self._ask_to_map(lease.protocol, lease.internal_port, ANY_PORT, 0)

    def _was_ours_lately(self) -> bool:
        """Tell whether nobody else can have this address yet: no nonce says whose mapping is closed."""
        return self.epoch is not None and self._clock() - self.epoch[1] < SURELY_OURS

    async def external_address(self) -> IPAddress | None:
        """Ask for the outside address; None when the gateway has none itself."""
        reply = await self._ask_address(REQUEST_LIMIT)
        if reply.result not in _TOLD:
            raise natpmp_error(reply.result)
        return self._external_address

    def _check(self, internal: IPAddress) -> None:
        if internal != self.local_address:
            raise Unsupported(f"NAT-PMP maps only for the host that asks; {internal} itself has to")

    def _suggestion(self, request: MapRequest) -> int:
        """Never 0: RouterOS refuses it."""
        held = request.held
        if held is not None and held.gateway == self.identity and not request.exact:
            return held.external_port
        return request.external_port or request.internal_port

    async def _ask_to_map(
        self,
        protocol: Protocol,
        internal_port: int,
        external_port: int,
        lifetime: int,
        *,
        urgent: bool = False,
    ) -> Reply:
        def accepts(reply: Reply) -> bool:
            # A late copy of the answer to a mapping must not pass for the answer to its deletion.
            return reply.result != _SUCCESS or bool(reply.lifetime) == bool(lifetime)

        reply = await self._exchange.ask(
            natpmp_codec.map_request(protocol, internal_port, external_port, lifetime),
            natpmp_codec.map_key(protocol, internal_port),
            waits(REQUEST_LIMIT, urgent=urgent),
            accepts,
        )
        if reply.result != _SUCCESS:
            raise natpmp_error(reply.result)
        return reply

    async def _ask_address(self, limit: float) -> Reply:
        request = natpmp_codec.address_request()
        return await self._exchange.ask(request, natpmp_codec.ADDRESS_KEY, waits(limit))

    async def _confirm(self) -> None:
        reply = await self._ask_address(PROBE_LIMIT)
        # A gateway without an outside address still speaks NAT-PMP, and may get one later.
        if reply.result not in _TOLD:
            raise natpmp_error(reply.result)

    def _answered(self, reply: Reply) -> None:
        # Some gateways put no epoch into errors; taking it for a restart would renew without end.
        if reply.result == _SUCCESS:
            self._learn_epoch(reply.epoch)
        if reply.opcode == natpmp_codec.ADDRESS_OPCODE and reply.result in _TOLD:
            self._learn_address(_address_of(reply))

    def _learn_address(self, address: IPAddress | None) -> None:
        known, self._external_address = self._external_address, address
        if known != address:
            self._tell(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)

    def _suspect(self, packet: bytes) -> GatewayEvent | None:
        if packet[:1] == bytes([pcp_codec.VERSION]):
            # Gateways of both protocols have one table; miniupnpd announces its loss over PCP alone.
            return GatewayEvent.RESTARTED if pcp_codec.is_announcement(pcp_codec.read_reply(packet)) else None
        reply = natpmp_codec.read_reply(packet)
        if reply.opcode != natpmp_codec.ADDRESS_OPCODE or reply.result != _SUCCESS:
            return None
        if _address_of(reply) != self._external_address:
            return GatewayEvent.EXTERNAL_ADDRESS_CHANGED
        hint = self._epoch.hints_at_restart(reply.epoch, self._clock())
        return GatewayEvent.RESTARTED if hint else None


class NatPmpBackend(Backend, Diagnoses):
    """NAT Port Mapping Protocol, RFC 6886."""

    name: ClassVar[str] = NatPmpGateway.backend
    rank: ClassVar[int] = 20

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Ask the gateway of the target, and yield it when it speaks NAT-PMP."""
        if not _is_asked(target):
            return
        gateway = await answering(NatPmpGateway(target))
        if gateway is not None:
            yield gateway

    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Look at the gateway's clock."""
        return await diagnose(NatPmpGateway(target)) if _is_asked(target) else ()


def _is_asked(target: Target) -> bool:
    return target.gateway is not None and target.gateway.version == 4 and target.url is None


def _address_of(reply: Reply) -> IPAddress | None:
    return None if reply.result or reply.address is None or reply.address.is_unspecified else reply.address
