"""The two backends. A daemon that uses only UPnP has them, too, so a search imports what asks a gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from portmapper.api import Backend, Diagnoses, Family, Gateway, Target
from portmapper_pcp.arrivals import HearsPort5351
from portmapper_pcp.early_end import EndsProbe
from portmapper_pcp.wire import NATPMP_VERSION, PCP_VERSION

if TYPE_CHECKING:
    from portmapper.api import Finding


class PcpBackend(EndsProbe, HearsPort5351, Backend, Diagnoses):
    """Port Control Protocol, RFC 6887."""

    name: ClassVar[str] = "pcp"
    rank: ClassVar[int] = 10
    families: ClassVar[frozenset[Family]] = frozenset(Family)
    diagnosis_takes_long: ClassVar[bool] = True
    version: ClassVar[int] = PCP_VERSION

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Probe the target's gateway, and yield it if it speaks PCP."""
        if target.gateway is None or target.url is not None:
            return
        from portmapper_pcp.gateway import if_answering
        from portmapper_pcp.pcp import PcpGateway

        gateway = await self.within(target, if_answering(PcpGateway(target)))
        if gateway is not None:
            yield gateway

    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Check the gateway's clock."""
        if target.gateway is None or target.url is not None:
            return ()
        from portmapper_pcp.diagnosis import diagnose
        from portmapper_pcp.pcp import PcpGateway

        return await diagnose(PcpGateway(target))


class NatPmpBackend(EndsProbe, HearsPort5351, Backend, Diagnoses):
    """NAT Port Mapping Protocol, RFC 6886."""

    name: ClassVar[str] = "natpmp"
    rank: ClassVar[int] = 20
    diagnosis_takes_long: ClassVar[bool] = True
    version: ClassVar[int] = NATPMP_VERSION

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Probe the target's gateway, and yield it if it speaks NAT-PMP."""
        if not _has_ipv4_gateway(target):
            return
        from portmapper_pcp.gateway import if_answering
        from portmapper_pcp.nat_pmp import NatPmpGateway

        gateway = await self.within(target, if_answering(NatPmpGateway(target)))
        if gateway is not None:
            yield gateway

    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Check the gateway's clock."""
        if not _has_ipv4_gateway(target):
            return ()
        from portmapper_pcp.diagnosis import diagnose
        from portmapper_pcp.nat_pmp import NatPmpGateway

        return await diagnose(NatPmpGateway(target))


def _has_ipv4_gateway(target: Target) -> bool:
    return target.gateway is not None and target.gateway.version == 4 and target.url is None
