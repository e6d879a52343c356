"""The doctor's check of a gateway's clock."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from portmapper.api.findings import Severity
from portmapper_pcp import diagnosis
from portmapper_pcp.backends import NatPmpBackend, PcpBackend

BACKENDS = {"pcp": PcpBackend, "natpmp": NatPmpBackend}


@pytest.fixture(params=list(BACKENDS))
def clock_findings(request: pytest.FixtureRequest, peer: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that diagnoses a clock that advances so many seconds between two readings."""
    monkeypatch.setattr(diagnosis, "PAUSE", 0.01)
    backend = BACKENDS[request.param]()

    async def clock_findings(passed: int) -> list[Severity]:
        def answer(packet: bytes) -> list[bytes]:
            reply = getattr(peer, request.param)(packet)
            peer.epoch += passed
            return [reply]

        peer.answer = answer
        findings = await backend.diagnose(peer.target)
        assert {finding.code for finding in findings} <= {"epoch-trouble"}
        return [finding.severity for finding in findings]

    return clock_findings


@pytest.mark.parametrize("passed", [0, 1])
async def test_an_accurate_clock_is_ok(clock_findings: Any, passed: int) -> None:
    """Rounding to whole seconds accounts for up to one second."""
    assert await clock_findings(passed) == [Severity.OK]


@pytest.mark.parametrize("passed", [-900, 900])
async def test_a_clock_that_jumps_is_a_warning(clock_findings: Any, passed: int) -> None:
    """Forward and backward."""
    assert await clock_findings(passed) == [Severity.WARNING]


@pytest.mark.usefixtures("fast")
@pytest.mark.parametrize("name", list(BACKENDS))
async def test_a_silent_gateway_has_no_finding(peer: Any, name: str) -> None:
    """Another check reports silent gateways."""
    assert list(await BACKENDS[name]().diagnose(peer.target)) == []


@pytest.mark.parametrize("name", list(BACKENDS))
async def test_a_target_without_gateway_is_not_queried(peer: Any, name: str) -> None:
    """There is no gateway to query."""
    assert list(await BACKENDS[name]().diagnose(attrs.evolve(peer.target, gateway=None))) == []
