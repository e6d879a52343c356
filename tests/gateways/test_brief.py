"""Searches of one-time commands: they start from what the last run knew, and end early."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest

from portmapper.api.backend import EndsSearch, Gateway, Target
from portmapper.api.learning import Learned, LearnsBehavior
from portmapper.gateways.brief import (
    PATIENCE,
    PATIENCE_ELSEWHERE,
    PATIENCE_IF_ABSENT,
    PRESENT,
    Brief,
)
from portmapper.gateways.probe import Probe, hurry_others
from portmapper.store.gateway_table import GatewayTable
from portmapper.testing.clock import FakeClock
from portmapper.testing.fake_backend import FakeBackend, FakeGateway
from portmapper.testing.fake_device import GATEWAY, FakeDevice

TARGET = Target(ipaddress.ip_address("192.168.88.10"), "eth0", GATEWAY)
BRIDGE = Target(ipaddress.ip_address("172.17.0.1"), "docker0")
OTHER_GATEWAY = ipaddress.ip_address("192.168.2.1")
OTHER = Target(ipaddress.ip_address("192.168.2.10"), "wlan0", OTHER_GATEWAY)
URL = "http://192.168.88.1:5000/rootDesc.xml"


class PatientBackend(FakeBackend, EndsSearch):
    """Searches for a minute, unless its search is ended; a query of a URL is answered at once."""

    patience: float | None = None
    queried: str | None = None

    async def discover(self, target: Target) -> AsyncIterator[Gateway]:
        """Yield the devices for a URL, and otherwise wait."""
        if target.url is None:
            await asyncio.sleep(60 if self.patience is None else self.patience)
            return
        self.queried = target.url
        async for gateway in super().discover(target):
            yield gateway

    def end_search(self, target: Target, patience: float) -> None:
        """Keep the patience for the search, which starts later in these tests."""
        self.patience = patience


def search(known: GatewayTable, *backends: FakeBackend) -> Probe:
    """Return a brief search."""
    return Probe(TARGET, backends, lambda _: None, brief=Brief(known))


async def test_the_first_answer_ends_the_other_searches_soon(clock: FakeClock, device: FakeDevice) -> None:
    """A device that did not answer the last time gets less time."""
    for location, patience in ((None, PATIENCE), ("", PATIENCE_IF_ABSENT), (PRESENT, PATIENCE)):
        known, patient = GatewayTable(), PatientBackend("upnp")
        if location is not None:
            known.put(GATEWAY, "upnp", location)
        probe = search(known, FakeBackend("pcp", device), patient)
        task = asyncio.create_task(probe.round())
        await clock.advance(0)
        assert patient.patience == patience
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_answer_of_another_device_ends_nothing(clock: FakeClock) -> None:
    """The default gateway may still answer."""
    other = FakeDevice(clock)
    other.address = ipaddress.ip_address("192.168.88.2")
    patient = PatientBackend("upnp")
    task = asyncio.create_task(search(GatewayTable(), FakeBackend("pcp", other), patient).round())
    await clock.advance(0)
    assert patient.patience is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_known_description_that_answers_replaces_the_search(
    clock: FakeClock, device: FakeDevice
) -> None:
    """The search, which would take a minute, ends."""
    known, patient = GatewayTable(), PatientBackend("upnp", device)
    known.put(GATEWAY, "upnp", URL)
    probe = search(known, patient)
    task = asyncio.create_task(probe.round())
    await clock.advance(0)
    assert await task
    assert patient.queried == URL
    assert [gateway.address for gateway in probe.gateways] == [GATEWAY]


async def test_a_known_description_of_another_device_is_not_trusted(clock: FakeClock) -> None:
    """The search goes on; the other device is not used."""
    other = FakeDevice(clock)
    other.address = ipaddress.ip_address("192.168.88.2")
    known, patient = GatewayTable(), PatientBackend("upnp", other)
    known.put(GATEWAY, "upnp", URL)
    probe = search(known, patient)
    task = asyncio.create_task(probe.round())
    await clock.advance(1)
    assert not task.done()
    await clock.advance(60)
    assert not await task
    assert not probe.gateways


async def test_what_answered_is_remembered(clock: FakeClock, device: FakeDevice) -> None:
    """With the location, and with the protocols that did not answer."""
    known, upnp = GatewayTable(), FakeBackend("upnp", device)
    upnp.location = URL
    await search(known, upnp, FakeBackend("pcp", device), FakeBackend("natpmp")).round()
    found = {name: known.location(GATEWAY, name) for name in ("upnp", "pcp", "natpmp", "x")}
    assert found == {"upnp": URL, "pcp": PRESENT, "natpmp": "", "x": None}


async def test_nothing_is_remembered_without_an_answer(clock: FakeClock) -> None:
    """The gateway may be starting."""
    known = GatewayTable()
    assert not await search(known, FakeBackend("pcp"), FakeBackend("upnp")).round()
    assert known.location(GATEWAY, "pcp") is None


@pytest.mark.parametrize(
    ("target", "location", "patience"),
    [(BRIDGE, None, PATIENCE_ELSEWHERE), (OTHER, None, PATIENCE), (OTHER, "", PATIENCE_IF_ABSENT)],
)
async def test_a_gateway_that_answered_everything_ends_the_searches_elsewhere(
    clock: FakeClock, device: FakeDevice, target: Target, location: str | None, patience: float
) -> None:
    """On a bridge of containers, and of a second router, which is then known to be silent."""
    known, silent = GatewayTable(), PatientBackend("upnp")
    if location is not None:
        known.put(OTHER_GATEWAY, "upnp", location)
    elsewhere = Probe(target, [silent], lambda _: None, brief=Brief(known))
    task = asyncio.create_task(elsewhere.round())
    await clock.advance(0)
    answering = search(known, FakeBackend("pcp", device))
    await answering.round()
    hurry_others(answering, [answering, elsewhere])
    assert silent.patience == patience
    await clock.advance(60)
    await task
    assert known.location(OTHER_GATEWAY, "upnp") == ("" if target is OTHER else None)


async def test_a_search_without_an_answer_ends_no_other(clock: FakeClock) -> None:
    """The gateway of another target may be the only one."""
    silent, known = PatientBackend("upnp"), GatewayTable()
    failed, elsewhere = search(known, FakeBackend("pcp")), search(known, silent)
    task = asyncio.create_task(elsewhere.round())
    await clock.advance(0)
    await failed.round()
    hurry_others(failed, [failed, elsewhere])
    assert silent.patience is None
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_gateway_starts_from_what_the_last_run_learned(clock: FakeClock, device: FakeDevice) -> None:
    """It gets its own place once, when it is found."""

    class Learning(FakeGateway, LearnsBehavior):
        def start_from(self, learned: Learned) -> None:
            texts.append(learned.read())
            learned.write("new")

    texts: list[str] = []
    known = GatewayTable()
    known.put_learned(GATEWAY, "upnp", "old")
    known.put_learned(GATEWAY, "pcp", "other")
    probe = search(known, FakeBackend("upnp", device, kind=Learning))
    await probe.round()
    await probe.round()
    assert texts == ["old"]
    assert known.learned(GATEWAY, "upnp") == "new"
    await probe.close()
