"""The doctor's look at a gateway's clock."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from portmapper.api.findings import Severity
from portmapper_pcp import diagnosis
from portmapper_pcp.nat_pmp import NatPmpBackend
from portmapper_pcp.pcp import PcpBackend

BACKENDS = {"pcp": PcpBackend, "natpmp": NatPmpBackend}


@pytest.fixture(params=list(BACKENDS))
def look(request: pytest.FixtureRequest, peer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what asks twice while the gateway's clock goes so many seconds on between the looks."""
    monkeypatch.setattr(diagnosis, "PAUSE", 0.01)
    backend = BACKENDS[request.param]()

    async def look(passed: int) -> list[Severity]:
        def answer(packet: bytes) -> list[bytes]:
            reply = getattr(peer, request.param)(packet)
            peer.epoch += passed
            return [reply]

        peer.answer = answer
        findings = await backend.diagnose(peer.target)
        assert {finding.code for finding in findings} <= {"epoch-trouble"}
        return [finding.severity for finding in findings]

    return look


@pytest.mark.parametrize("passed", [0, 1])
async def test_a_clock_that_keeps_time_is_well(look: Any, passed: int) -> None:
    """Whole seconds cost up to one."""
    assert await look(passed) == [Severity.OK]


@pytest.mark.parametrize("passed", [-900, 900])
async def test_a_clock_that_leaps_is_trouble(look: Any, passed: int) -> None:
    """Forwards as well as back."""
    assert await look(passed) == [Severity.WARNING]


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("name", list(BACKENDS))
async def test_nothing_is_said_of_a_gateway_that_is_silent(peer: Any, name: str) -> None:
    """Others tell that nobody answers."""
    assert list(await BACKENDS[name]().diagnose(peer.target)) == []


@pytest.mark.parametrize("name", list(BACKENDS))
async def test_a_target_without_gateway_is_not_asked(peer: Any, name: str) -> None:
    """There is nobody to ask."""
    assert list(await BACKENDS[name]().diagnose(attrs.evolve(peer.target, gateway=None))) == []
