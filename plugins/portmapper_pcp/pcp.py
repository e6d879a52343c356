"""A gateway over PCP."""

from __future__ import annotations

import asyncio
import ipaddress
import os

from portmapper.api import (
    ANY_PORT,
    GatewayEvent,
    IPAddress,
    IPNetwork,
    Lease,
    MapRequest,
    MapsOtherHosts,
    NotAuthorized,
    Protocol,
    RestrictsRemoteHosts,
    Target,
    Trait,
    Unsupported,
    remote_text,
)
from portmapper_pcp import natpmp_codec, pcp_codec
from portmapper_pcp.answers import OTHERWISE_AFTER, UNUSED_PORT, AnswerTo, check_lifetime, either
from portmapper_pcp.epoch import pcp_restarted
from portmapper_pcp.former_address import is_unassigned
from portmapper_pcp.gateway import MAX_LIFETIME, Port5351Gateway
from portmapper_pcp.pcp_codec import MapData, Reply, Result
from portmapper_pcp.results import pcp_error
from portmapper_pcp.retransmission import PCP_JITTER, PROBE_LIMIT, REQUEST_LIMIT, delays
from portmapper_pcp.wire import NATPMP_VERSION

SHORT_ERROR = 2
"""Seconds. An error with at most this lifetime is over so soon that the request is repeated at once."""

_TRANSIENT = frozenset({Result.NETWORK_FAILURE, Result.NO_RESOURCES})
_ANY_ADDRESS: dict[int, IPAddress] = {4: ipaddress.IPv4Address(0), 6: ipaddress.IPv6Address(0)}


class PcpGateway(Port5351Gateway[Reply], MapsOtherHosts, RestrictsRemoteHosts):
    """A gateway that speaks PCP version 2."""

    backend = "pcp"
    address_by_grant = True
    protocol = "PCP 2"

    def __init__(self, target: Target) -> None:
        super().__init__(target, pcp_codec.read_reply, pcp_restarted)
        self._external_address: IPAddress | None = None
        self._prefers_failure = True
        self._answers_announce = True

    async def map(self, request: MapRequest) -> Lease:
        """Request a mapping, with PREFER_FAILURE if only the exact port is acceptable.

        Raises:
            Unsupported: the request's token is not a nonce, or the gateway cannot map this.
        """
        self._check(request.internal_address, request.token)
        if request.remote is not None and Trait.IGNORES_FILTER in request.traits:
            raise Unsupported(
                f"this gateway opens a port to every host, and not only to {remote_text(request.remote)}"
            )
        prefer_failure = self._prefers_failure and _prefers_failure(request, self._held(request))
        reply = await self._request_mapping(request, prefer_failure)
        if prefer_failure and reply.result == Result.UNSUPP_OPTION:
            # Old servers do not know PREFER_FAILURE; the caller checks the port that they grant.
            reply = await self._request_mapping(request, False)
            self._prefers_failure = reply.result == Result.UNSUPP_OPTION
        if reply.result in _TRANSIENT and 0 < reply.lifetime <= SHORT_ERROR:
            await asyncio.sleep(reply.lifetime)
            reply = await self._request_mapping(request, prefer_failure and self._prefers_failure)
        granted = self._granted(reply, request.internal_address)
        check_lifetime(reply, request.lifetime or MAX_LIFETIME)
        external = _external(granted.external_address, request.internal_address)
        if self.local_address.version == 4:
            self._external_address = external
        return self.lease(
            request,
            external_port=granted.external_port,
            lifetime=reply.lifetime,
            external_address=external,
            permanent=False,
        )

    async def unmap(self, lease: Lease) -> None:
        """Delete a mapping with lifetime 0 and its nonce (section 15); a missing one succeeds."""
        self._check(lease.internal_address, lease.token)
        any_address = _ANY_ADDRESS[lease.internal_address.version]
        data = _data(lease.token, lease.protocol, lease.internal_port, ANY_PORT, any_address)
        is_own = lease.internal_address == self.local_address
        if is_own and is_unassigned(self.local_address):
            await self._send_from(self.local_address, pcp_codec.map_request(self.local_address, data, 0))
        reply = await self._request(data, 0, lease.internal_address)
        if reply.result == Result.UNSUPP_OPTION and is_unassigned(lease.internal_address):
            # Without THIRD_PARTY only the internal host could request it, so this host had that address.
            former = lease.internal_address
            await self._send_from(former, pcp_codec.map_request(former, data, 0))
        if reply.result == Result.NOT_AUTHORIZED and is_own:
            await self._shorten(lease)
        # Some gateways answer NO_RESOURCES if there is nothing to delete.
        if reply.result != Result.NO_RESOURCES:
            self._granted(reply, lease.internal_address)

    async def _shorten(self, lease: Lease) -> None:
        """Shorten the lease of a pinhole that cannot be deleted; raise `NotAuthorized` with its end.

        Some gateways forget the nonce of a pinhole when they renew it. Afterwards they refuse
        every deletion, but grant renewals of at least two minutes.
        """
        address = lease.internal_address
        if address.version == 4:
            return
        data = _data(lease.token, lease.protocol, lease.internal_port, lease.external_port, address)
        reply = await self._request(data, 1, address)
        if reply.result == Result.SUCCESS:
            raise NotAuthorized(
                f"the gateway no longer closes it on request; it ends by itself in {reply.lifetime} s",
                code=Result.NOT_AUTHORIZED,
                retry_after=reply.lifetime + 1,
            )

    def can_restrict_to(self, remote: IPNetwork) -> bool:
        """Return whether the option FILTER can name these hosts: their family is that of the gateway."""
        return remote.version == self.local_address.version

    async def external_address(self) -> IPAddress | None:
        """Return the address of the latest grant, as PCP has no request for it; None over IPv6."""
        return self._external_address

    def _check(self, internal: IPAddress, token: bytes) -> None:
        if len(token) != pcp_codec.NONCE_LENGTH:
            raise Unsupported(f"PCP needs a nonce of {pcp_codec.NONCE_LENGTH} bytes")
        if internal.version != self.local_address.version:
            raise Unsupported(f"{self.address} cannot map {internal}: the address families differ")

    def _held(self, request: MapRequest) -> Lease | None:
        held = request.held
        return held if held is not None and held.gateway == self.identity else None

    async def _request_mapping(self, request: MapRequest, prefer_failure: bool) -> Reply:
        port, address = request.external_port, _ANY_ADDRESS[request.internal_address.version]
        if (held := self._held(request)) is not None:
            # Suggesting what we hold lets a gateway that lost its table restore it (section 16.3).
            port = port if request.exact else held.external_port
            address = held.external_address or address
        data = _data(request.token, request.protocol, request.internal_port, port, address)
        lifetime = request.lifetime or MAX_LIFETIME
        return await self._request(
            data,
            lifetime,
            request.internal_address,
            prefer_failure=prefer_failure,
            urgent=request.urgent,
            remote=request.remote,
        )

    async def _request(
        self,
        data: MapData,
        lifetime: int,
        internal: IPAddress,
        *,
        prefer_failure: bool = False,
        urgent: bool = False,
        remote: IPNetwork | None = None,
    ) -> Reply:
        packet = pcp_codec.map_request(
            self.local_address,
            data,
            lifetime,
            third_party=internal if internal != self.local_address else None,
            prefer_failure=prefer_failure,
            remote=remote,
        )

        sends = delays(REQUEST_LIMIT, PCP_JITTER, urgent=urgent)
        return await self._exchange.request(packet, data.key, sends, AnswerTo(lifetime))

    def _granted(self, reply: Reply, internal: IPAddress) -> MapData:
        if reply.result == Result.SUCCESS and reply.mapping is not None:
            return reply.mapping
        refuses_third_party = internal != self.local_address and reply.result in (
            Result.NOT_AUTHORIZED,
            Result.UNSUPP_OPTION,
        )
        hint = f"; {internal} must send the request" if refuses_third_party else ""
        raise pcp_error(reply.result, reply.lifetime, hint)

    async def _confirm(self) -> None:
        # Any answer of version 2 is enough: a server may refuse ANNOUNCE but still map ports.
        if not self._answers_announce:
            await self._delete_unused(PROBE_LIMIT)
            return
        packet = pcp_codec.announce_request(self.local_address)
        announce = self._exchange.request(packet, pcp_codec.ANNOUNCE_KEY, delays(PROBE_LIMIT, PCP_JITTER))
        _, self._answers_announce = await either(
            announce, lambda: self._delete_unused(PROBE_LIMIT - OTHERWISE_AFTER)
        )

    async def _delete_unused(self, limit: float) -> Reply:
        """Delete a mapping that does not exist: some servers ignore ANNOUNCE (P18)."""
        address = self.local_address
        nonce = os.urandom(pcp_codec.NONCE_LENGTH)  # `secrets` loads OpenSSL
        data = _data(nonce, Protocol.TCP, UNUSED_PORT, ANY_PORT, _ANY_ADDRESS[address.version])
        packet = pcp_codec.map_request(address, data, 0)
        return await self._exchange.request(packet, data.key, delays(limit, PCP_JITTER))

    def _on_reply(self, reply: Reply, is_timely: bool) -> None:
        # Some servers send no epoch in errors; treating that as a restart would renew endlessly.
        if is_timely and reply.result == Result.SUCCESS:
            self._learn_epoch(reply.epoch)

    def _read_announcement(self, packet: bytes) -> GatewayEvent | None:
        """Treat ANNOUNCE as a restart: servers multicast it after they lost their state (section 14.1).

        Some gateways send it even though their epoch continues.
        """
        if packet[:1] == bytes([NATPMP_VERSION]):
            return self._read_address_announcement(packet)
        return self._read_restart(pcp_codec.read_reply(packet))

    def _read_address_announcement(self, packet: bytes) -> GatewayEvent | None:
        """Treat a new address, announced over NAT-PMP, as a restart: PCP learns an address by renewing."""
        announced = natpmp_codec.read_reply(packet).address
        known = self._external_address
        return GatewayEvent.RESTARTED if announced and known and announced != known else None


def _prefers_failure(request: MapRequest, held: Lease | None) -> bool:
    """Tell whether to use the option: section 13.2 forbids it in renewals and without a specific port."""
    if not request.exact or request.external_port == ANY_PORT:
        return False
    return held is None or held.external_port != request.external_port


def _data(
    nonce: bytes, protocol: Protocol, internal_port: int, external_port: int, external_address: IPAddress
) -> MapData:
    return MapData(nonce, pcp_codec.NUMBERS[protocol], internal_port, external_port, external_address)


def _external(address: IPAddress, internal: IPAddress) -> IPAddress | None:
    """Return a valid external address, else None; some servers send IPv4 without the prefix of section 5."""
    return address if address.version == internal.version and not address.is_unspecified else None
