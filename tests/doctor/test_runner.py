"""All checks together: their order, and which findings skip later checks."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime

import pytest

from portmapper.api.backend import Backend, Diagnoses, Target
from portmapper.api.errors import NotAuthorized
from portmapper.api.findings import Finding, Severity
from portmapper.api.model import Protocol
from portmapper.doctor import runner
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.runner import DoctorRequest, run_checks
from portmapper.network.host import Network
from portmapper.testing.fake_backend import FakeBackend, FakeListingGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

LOCAL = ipaddress.ip_address("192.168.88.10")

Check = Callable[..., Awaitable[list[Finding]]]


class DiagnosingBackend(FakeBackend, Diagnoses):
    """A backend that reports the same finding about every gateway."""

    finding: Finding

    async def diagnose(self, target: Target) -> Sequence[Finding]:
        """Return the finding."""
        return [self.finding]


@pytest.fixture
def check(device: FakeDevice, on_network: Callable[..., Network], monkeypatch: pytest.MonkeyPatch) -> Check:
    """Run all checks for some ports on a host without listeners, firewall and VPN."""
    monkeypatch.setattr(Network, "local_address_towards", lambda *_: LOCAL)
    monkeypatch.setattr(runner, "read_listeners", lambda: [])
    monkeypatch.setattr(runner, "read_firewall", lambda: None)

    async def check(
        *ports: DesiredPort,
        backends: Sequence[Backend] = (),
        network: Network | None = None,
        probe: bool = True,
        container: bool = False,
    ) -> list[Finding]:
        request = DoctorRequest(
            backends or [FakeBackend("upnp", device, kind=FakeListingGateway)],
            network or on_network(f"{LOCAL}/24"),
            None,
            ports,
            [],
            datetime.now(UTC),
            may_probe=probe,
            in_container=lambda _: container,
        )
        return [finding async for finding in run_checks(request)]

    return check


def problems(findings: Sequence[Finding]) -> list[str]:
    """Return the codes of the warnings and errors."""
    return [finding.code for finding in findings if finding.severity in (Severity.ERROR, Severity.WARNING)]


async def test_the_checks_go_from_this_host_outward(check: Check, port: Callable[..., DesiredPort]) -> None:
    """Route, gateway, address, test mapping, the port, and its listener."""
    findings = await check(port(8080))
    assert [finding.code for finding in findings] == [
        "no-default-route",
        "gateway-silent",
        "double-nat",
        "port-denied",
        "port-denied",
        "nothing-listening",
    ]
    assert problems(findings) == ["nothing-listening"]


async def test_without_a_default_route_no_gateway_is_searched(
    check: Check, device: FakeDevice, on_network: Callable[..., Network]
) -> None:
    """The missing route explains everything else."""
    backend = FakeBackend("pcp", device)
    findings = await check(backends=[backend], network=on_network(f"{LOCAL}/24", gateway=None))
    assert problems(findings) == ["no-default-route"]
    assert backend.searches == 0


async def test_behind_another_nat_no_port_is_tried(
    check: Check, device: FakeDevice, port: Callable[..., DesiredPort]
) -> None:
    """Opening it would not help."""
    device.external = ipaddress.ip_address("192.168.1.7")
    assert problems(await check(port(8080))) == ["double-nat", "nothing-listening"]


async def test_without_probing_nothing_is_requested(
    check: Check, device: FakeDevice, port: Callable[..., DesiredPort]
) -> None:
    """With `--no-probe`."""
    await check(port(8080), probe=False)
    assert device.calls == []


async def test_an_open_port_is_not_tried(
    check: Check, device: FakeDevice, port: Callable[..., DesiredPort]
) -> None:
    """A test mapping would replace the lease, or another program's entry, and then close it."""
    device.occupy(Protocol.TCP, 8081, LOCAL)
    findings = await check(port(8080, is_open=True), port(8081))
    assert [f.summary for f in findings if f.code == "port-denied" and f.port] == [
        "8080/tcp is open",
        "8081/tcp is already open, by another program",
    ]
    assert not {8080, 8081} & {request.external_port for request in device.requested()}
    assert device.open_ports() == {(Protocol.TCP, 8081)}


async def test_a_port_of_another_host_is_not_tried(
    check: Check, device: FakeDevice, port: Callable[..., DesiredPort]
) -> None:
    """The gateway's table shows the holder."""
    device.occupy(Protocol.TCP, 8080, ipaddress.ip_address("192.168.88.66"))
    assert "port-held-by-host" in problems(await check(port(8080)))


async def test_a_denied_port_is_reported(
    check: Check, device: FakeDevice, port: Callable[..., DesiredPort]
) -> None:
    """The test mapping on a high port is granted."""
    device.refusals[8080] = NotAuthorized("not this port")
    (finding,) = [f for f in await check(port(8080)) if f.severity is Severity.ERROR]
    assert (finding.code, finding.summary) == ("port-denied", "8080/tcp is denied: not this port")


@pytest.mark.parametrize(("silent", "reported"), [(False, []), (True, ["ssdp-blocked"])])
async def test_a_diagnosis_that_discovery_disproves_is_dropped(
    check: Check, device: FakeDevice, silent: bool, reported: list[str]
) -> None:
    """If the gateway is found over UPnP, its searches are not blocked."""
    device.silent = silent
    backend = DiagnosingBackend("upnp", device, kind=FakeListingGateway)
    backend.finding = Finding.error("ssdp-blocked", "searches get no answer", "allow UDP port 1900")
    assert problems(await check(backends=[backend])) == reported


async def test_upnp_off_is_reported_only_beside_a_gateway(check: Check, device: FakeDevice) -> None:
    """If no gateway answers at all, that is the only finding."""
    off = DiagnosingBackend("upnp", kind=FakeListingGateway)
    off.finding = Finding.warning("upnp-off", "UPnP is off", "turn it on")
    assert problems(await check(backends=[off])) == ["gateway-silent"]
    assert problems(await check(backends=[off, FakeBackend("pcp", device)])) == ["upnp-off"]


def test_targets_are_searched_unless_the_user_names_gateways(on_network: Callable[..., Network]) -> None:
    """A named gateway is the only target."""
    network, now = on_network(f"{LOCAL}/24"), datetime.now(UTC)
    found = DoctorRequest([], network, None, [], [], now).targets
    assert GATEWAY in [target.gateway for target in found]
    named = [Target(LOCAL, "eth0", GATEWAY, chosen=True)]
    assert DoctorRequest([], network, named, [], [], now).targets is named


async def test_the_network_of_a_container_is_named(check: Check, device: FakeDevice) -> None:
    """Instead of advice for the router, which cannot help."""
    silent = FakeBackend("upnp", device)
    device.silent = True
    findings = await check(backends=[silent], container=True)
    assert problems(findings) == ["container-network"]
    assert "--network=host" in next(f.advice for f in findings if f.advice)


async def test_an_open_port_behind_another_nat_is_open_on_the_gateway(
    check: Check, device: FakeDevice, port: Callable[..., DesiredPort]
) -> None:
    """The report needs to know that the gateway opens it."""
    device.external = ipaddress.ip_address("192.0.0.2")
    findings = await check(port(8080, is_open=True), port(8081))
    assert problems(findings)[0] == "ds-lite"
    assert [f.summary for f in findings if f.code == "port-denied"] == ["8080/tcp is open"]
