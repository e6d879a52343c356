"""The next step of an attempt."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api.backend import Target
from portmapper.api.model import Family, Lease, Mapping
from portmapper.gateways.probe import Probe
from portmapper.gateways.workqueue import Priority
from portmapper.network.placement import Place
from portmapper.scheduler.plan import Ask, Skip, Wait, next_step, priority, unserved
from portmapper.scheduler.record import Phase, Record
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import FakeDevice

LOCAL, OTHER = ip_address("192.168.88.10"), ip_address("192.168.88.20")
TARGET = Target(LOCAL)


@pytest.fixture
def probe() -> Probe:
    """A search that has found PCP and UPnP."""
    found = Probe(TARGET, [], lambda _: None)
    device = FakeDevice(FakeClock())
    found.gateways = [FakeGateway(device, name, LOCAL) for name in ("pcp", "upnp")]
    found.settled = found.done = True
    return found


@pytest.fixture
def record(desired: Callable[..., Mapping]) -> Record:
    """A record at the beginning of an attempt."""
    return Record(desired(), phase=Phase.SELECTING, serial=1, places=[Place(LOCAL, TARGET)])


def step(record: Record, probe: Probe, allowed: Any = None) -> Any:
    """Return the next step, with one search for all targets."""
    return next_step(record, lambda _: probe, allowed)


def test_the_best_gateway_is_asked_first(record: Record, probe: Probe) -> None:
    """Then the next one, and nothing is left after the last."""
    first = step(record, probe)
    assert isinstance(first, Ask)
    assert first.gateway.backend == "pcp"
    second = step(attrs.evolve(record, tried=(first.attempt,)), probe)
    assert second.gateway.backend == "upnp"
    assert step(attrs.evolve(record, tried=(first.attempt, second.attempt)), probe) is None


def test_the_holder_is_asked_before_the_best(
    record: Record, probe: Probe, new_lease: Callable[..., Lease]
) -> None:
    """A renewal is an attempt, too."""
    lease = new_lease(backend="upnp", gateway=probe.gateways[1].identity)
    assert step(attrs.evolve(record, lease=lease), probe).gateway.backend == "upnp"


def test_a_search_is_waited_for(record: Record, probe: Probe) -> None:
    """Until it has settled, and after its gateways have refused until it has ended."""
    probe.settled = probe.done = False
    assert step(record, probe) == Wait(TARGET)
    probe.settled = True
    tried = tuple((gateway.identity, LOCAL) for gateway in probe.gateways)
    assert step(attrs.evolve(record, tried=tried), probe) == Wait(TARGET)


def test_a_gateway_that_maps_no_other_host_is_skipped(record: Record, probe: Probe) -> None:
    """The reason is kept for `status`."""
    skipped = step(attrs.evolve(record, places=[Place(OTHER, TARGET)]), probe)
    assert isinstance(skipped, Skip)
    assert str(OTHER) in str(skipped.refusal[1])


@pytest.mark.parametrize(("allowed", "expected"), [(("upnp",), "upnp"), (("natpmp",), None)])
def test_only_allowed_backends_are_asked(
    record: Record, probe: Probe, allowed: tuple[str, ...], expected: str | None
) -> None:
    """Those that the user named."""
    found = step(record, probe, allowed)
    assert (found.gateway.backend if found else None) == expected


def test_a_family_that_no_backend_supports_is_refused(record: Record) -> None:
    """By each backend that may open the mapping."""
    pinhole = attrs.evolve(record, mapping=attrs.evolve(record.mapping, family=Family.IPV6))
    device = FakeDevice(FakeClock())
    backends = [FakeBackend("pcp", device), FakeBackend("upnp", device)]
    assert [name for name, _ in unserved(pinhole, backends, ("pcp",))] == ["pcp"]
    assert list(unserved(record, backends, None)) == []


def test_what_is_held_comes_before_what_is_new(record: Record, new_lease: Callable[..., Lease]) -> None:
    """A lost mapping and one that a person waits for come in between."""
    mine = attrs.evolve(record, mapping=attrs.evolve(record.mapping, source="command line"))
    assert priority(attrs.evolve(record, lease=new_lease()), stored=False, prompt=()) is Priority.RENEW
    assert priority(record, stored=True, prompt=()) is Priority.RENEW
    assert priority(attrs.evolve(record, lost_at=1.0), stored=False, prompt=()) is Priority.REOPEN
    assert priority(mine, stored=False, prompt=("command line",)) is Priority.REOPEN
    assert priority(record, stored=False, prompt=()) is Priority.OPEN
