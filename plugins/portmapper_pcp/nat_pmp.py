"""A gateway over NAT-PMP."""

from __future__ import annotations

from portmapper.api import (
    ANY_PORT,
    BackendError,
    GatewayEvent,
    IPAddress,
    Lease,
    MapRequest,
    NoResources,
    NotAuthorized,
    Protocol,
    Target,
    Unsupported,
)
from portmapper_pcp import natpmp_codec, pcp_codec
from portmapper_pcp.answers import OTHERWISE_AFTER, UNUSED_PORT, AnswerTo, check_lifetime, either
from portmapper_pcp.epoch import natpmp_restarted
from portmapper_pcp.former_address import is_unassigned
from portmapper_pcp.gateway import MAX_LIFETIME, Port5351Gateway
from portmapper_pcp.natpmp_codec import Reply
from portmapper_pcp.natpmp_library import natpmp
from portmapper_pcp.results import natpmp_error
from portmapper_pcp.retransmission import PROBE_LIMIT, REQUEST_LIMIT, delays
from portmapper_pcp.wire import PCP_VERSION

_SUCCESS = natpmp.NATPMP_RESULT_SUCCESS
_ADDRESS_RESULTS = frozenset(
    {_SUCCESS, natpmp.NATPMP_RESULT_NETWORK_FAILURE, natpmp.NATPMP_RESULT_UNSUPPORTED_OPERATION}
)
"""Results of an address request from a working gateway: success, no address, or address not supported."""

ADDRESS_REUSE_TIME = 120.0
"""Seconds after the last answer to a former address within which no other host can have it: DHCP servers
reassign an address only after its lease ends, and the least recently used one first."""


class NatPmpGateway(Port5351Gateway[Reply]):
    """A gateway that speaks NAT-PMP."""

    backend = "natpmp"
    protocol = "NAT-PMP 0"

    def __init__(self, target: Target) -> None:
        super().__init__(target, natpmp_codec.read_reply, natpmp_restarted)
        self._external_address: IPAddress | None = None
        self._tells_address = True

    async def map(self, request: MapRequest) -> Lease:
        """Request a mapping; NAT-PMP may always grant another port than the suggested one."""
        self._check(request.internal_address)
        try:
            reply = await self._map(request, self._suggestion(request))
        except (NotAuthorized, NoResources) as refusal:
            if request.exact:
                raise
            reply = await self._map_anywhere(request, refusal)
        check_lifetime(reply, request.lifetime or MAX_LIFETIME)
        return self.lease(
            request,
            external_port=reply.external_port,
            lifetime=reply.lifetime,
            external_address=self._external_address,
            permanent=False,
        )

    async def _map(self, request: MapRequest, external_port: int, refused: int = ANY_PORT) -> Reply:
        return await self._request_mapping(
            request.protocol,
            request.internal_port,
            external_port,
            request.lifetime or MAX_LIFETIME,
            urgent=request.urgent,
            refused=refused,
        )

    async def _map_anywhere(self, request: MapRequest, refusal: BackendError) -> Reply:
        """Suggest no port, for gateways that refuse any that they did not choose (P21)."""
        try:
            return await self._map(request, ANY_PORT, self._suggestion(request))
        except (NotAuthorized, NoResources):
            raise refusal from None

    async def unmap(self, lease: Lease) -> None:
        """Delete a mapping with lifetime 0 and external port 0 (section 3.4); a missing one succeeds."""
        self._check(lease.internal_address)
        if is_unassigned(self.local_address) and self._was_ours_recently():
            packet = natpmp_codec.map_request(lease.protocol, lease.internal_port, ANY_PORT, 0)
            await self._send_from(self.local_address, packet)
        await self._request_mapping(lease.protocol, lease.internal_port, ANY_PORT, 0)

    def _was_ours_recently(self) -> bool:
        """Tell whether no other host can have this address yet; no nonce would protect its mapping."""
        return self.epoch is not None and self._clock() - self.epoch[1] < ADDRESS_REUSE_TIME

    async def external_address(self) -> IPAddress | None:
        """Query the external address; None if the gateway has none."""
        if not self._tells_address:
            await self._delete_unused(REQUEST_LIMIT)  # its epoch shows a restart
            return None
        reply = await self._request_address(REQUEST_LIMIT)
        if reply.result not in _ADDRESS_RESULTS:
            raise natpmp_error(reply.result)
        return self._external_address

    def _check(self, internal: IPAddress) -> None:
        if internal != self.local_address:
            raise Unsupported(f"NAT-PMP maps only the requesting host; {internal} must send the request")

    def _suggestion(self, request: MapRequest) -> int:
        """Return the external port to suggest; never 0, because RouterOS refuses it."""
        held = request.held
        if held is not None and held.gateway == self.identity and not request.exact:
            return held.external_port
        return request.external_port or request.internal_port

    async def _request_mapping(
        self,
        protocol: Protocol,
        internal_port: int,
        external_port: int,
        lifetime: int,
        *,
        urgent: bool = False,
        refused: int = ANY_PORT,
    ) -> Reply:
        reply = await self._exchange.request(
            natpmp_codec.map_request(protocol, internal_port, external_port, lifetime),
            natpmp_codec.map_key(protocol, internal_port),
            delays(REQUEST_LIMIT, urgent=urgent),
            AnswerTo(lifetime, refused),
        )
        if reply.result != _SUCCESS:
            raise natpmp_error(reply.result)
        return reply

    async def _request_address(self, limit: float) -> Reply:
        request = natpmp_codec.address_request()
        return await self._exchange.request(request, natpmp_codec.ADDRESS_KEY, delays(limit))

    async def _confirm(self) -> None:
        if not self._tells_address:
            await self._delete_unused(PROBE_LIMIT)
            return
        reply, self._tells_address = await either(
            self._request_address(PROBE_LIMIT), lambda: self._delete_unused(PROBE_LIMIT - OTHERWISE_AFTER)
        )
        # A gateway without an external address still speaks NAT-PMP, and may get one later.
        if self._tells_address and reply.result not in _ADDRESS_RESULTS:
            raise natpmp_error(reply.result)

    async def _delete_unused(self, limit: float) -> Reply:
        """Delete a mapping that does not exist: some servers never tell their address (P19)."""
        packet = natpmp_codec.map_request(Protocol.TCP, UNUSED_PORT, ANY_PORT, 0)
        key = natpmp_codec.map_key(Protocol.TCP, UNUSED_PORT)
        return await self._exchange.request(packet, key, delays(limit))

    def _on_reply(self, reply: Reply, is_timely: bool) -> None:
        # Some gateways send no epoch in errors; treating that as a restart would renew endlessly.
        if is_timely and reply.result == _SUCCESS:
            self._learn_epoch(reply.epoch)
        if reply.opcode == natpmp_codec.ADDRESS_OPCODE and reply.result in _ADDRESS_RESULTS:
            self._learn_address(_address_of(reply))

    def _learn_address(self, address: IPAddress | None) -> None:
        known, self._external_address = self._external_address, address
        if known != address:
            self._report(GatewayEvent.EXTERNAL_ADDRESS_CHANGED)

    def _read_announcement(self, packet: bytes) -> GatewayEvent | None:
        if packet[:1] == bytes([PCP_VERSION]):
            # A gateway that speaks both protocols has one table; some announce its loss over PCP only.
            return self._read_restart(pcp_codec.read_reply(packet))
        reply = natpmp_codec.read_reply(packet)
        if reply.opcode != natpmp_codec.ADDRESS_OPCODE or reply.result != _SUCCESS:
            return None
        if _address_of(reply) != self._external_address:
            return GatewayEvent.EXTERNAL_ADDRESS_CHANGED
        hint = self._epoch.suggests_restart(reply.epoch, self._clock())
        return GatewayEvent.RESTARTED if hint else None


def _address_of(reply: Reply) -> IPAddress | None:
    return None if reply.result or reply.address is None or reply.address.is_unspecified else reply.address
