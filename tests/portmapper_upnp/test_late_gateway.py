"""A gateway that is found, and read only when something needs it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from portmapper.api.backend import GatewayEvent, Target
from portmapper.api.errors import UNREACHABLE, GatewayTimeout, NetworkFailure
from portmapper.api.model import MapRequest
from portmapper.testing.clock import FakeClock
from portmapper_upnp import backend as module
from portmapper_upnp.backend import IgdBackend
from portmapper_upnp.device import CALL_TIME, IgdDevice
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.late_gateway import Connect, LateGateway, LatePortMapper, late_gateway
from portmapper_upnp.ssdp_packet import SsdpPacket

LOOPBACK = ipaddress.ip_address("127.0.0.1")
ELSEWHERE = ipaddress.ip_address("127.0.0.2")
TARGET = Target(LOOPBACK, gateway=LOOPBACK)
IGD = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
SERVER = "Linux/6.1 UPnP/1.1 ACME/2"


@pytest.fixture
async def backend(
    router: Any, responder: Any, short_search: None, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[IgdBackend]:
    """Return a backend that has not loaded its libraries yet; the router answers its searches."""
    monkeypatch.setattr(module, "is_loaded", lambda _: False)
    answer = f"LOCATION: {router.location}\r\nST: {IGD}\r\nUSN: uuid:1::{IGD}\r\nSERVER: {SERVER}"
    responder.answer = lambda _target, _count: answer
    backend = IgdBackend(ssdp_port=responder.port)
    yield backend
    await backend.close()


async def search(backend: IgdBackend) -> list[Any]:
    """Return what a search finds."""
    return [gateway async for gateway in backend.discover(TARGET)]


def fetches(router: Any) -> int:
    """Return how often the description was read."""
    return len([head for head in router.heads if head.startswith("GET")])


@pytest.fixture
async def unread(backend: IgdBackend) -> AsyncIterator[LatePortMapper]:
    """Return the gateway as it is found while another protocol serves the device."""
    backend.others_answered(TARGET, {LOOPBACK}, may_follow=False, alone=False)
    (gateway,) = await search(backend)
    yield gateway
    await gateway.close()


async def test_a_gateway_stays_unread_while_a_better_protocol_answers(
    unread: LatePortMapper, router: Any
) -> None:
    """Its answer tells its software."""
    assert unread.unread
    assert (unread.protocol, unread.model, unread.server) == ("IGD", "", SERVER)
    assert (unread.identity, unread.location) == ("upnp:127.0.0.1", router.location)
    assert router.heads == []


async def test_the_first_request_reads_it(
    unread: LatePortMapper, router: Any, request_for: Callable[..., MapRequest]
) -> None:
    """The watching core gets told, because the model is known only now."""
    events: list[GatewayEvent] = []
    await unread.watch(events.append)
    lease = await unread.map(request_for())
    assert (lease.external_port, lease.gateway) == (80, "upnp:127.0.0.1")
    assert (unread.unread, unread.protocol, unread.model) == (False, "IGD 1", "R1")
    assert events == [GatewayEvent.IDENTIFIED]
    assert await unread.holds(lease)
    await unread.unmap(lease)
    assert router.table == {}


async def test_it_is_read_once_for_several_requests(unread: LatePortMapper, router: Any) -> None:
    """They arrive together, for example after PCP fell silent."""
    answers = await asyncio.gather(*(unread.external_address() for _ in range(5)))
    assert {str(answer) for answer in answers} == {"8.8.4.4"}
    assert fetches(router) == 1


async def test_a_gateway_that_cannot_be_read_is_tried_again(unread: LatePortMapper, router: Any) -> None:
    """The request fails like that of a gateway which is away."""
    router.replies["description"] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(NetworkFailure):
        await unread.external_address()
    assert unread.unread
    del router.replies["description"]
    assert await unread.list_mappings() == []


async def test_a_description_of_another_device_counts_as_unreachable(
    unread: LatePortMapper, router: Any
) -> None:
    """So the core searches again, and that search tries every answer of the gateway."""
    kind = "urn:dslforum-org:device:InternetGatewayDevice:1"  # TR-064, which a FRITZ!Box announces, too
    other = f"<root><device><deviceType>{kind}</deviceType></device></root>"
    router.replies["description"] = f"HTTP/1.1 200 OK\r\nContent-Length: {len(other)}\r\n\r\n{other}".encode()
    with pytest.raises(UNREACHABLE, match="describes no"):
        await unread.external_address()
    assert unread.unread


def never_read(connect: Connect) -> LateGateway:
    """Return a gateway whose description `connect` reads."""
    endpoint = Endpoint("http://127.0.0.1/", LOOPBACK, LOOPBACK)
    return late_gateway(
        endpoint, SsdpPacket("answer", LOOPBACK, endpoint.location, IGD, "uuid:1", ""), connect
    )


async def test_a_silent_gateway_is_read_once_for_the_requests_that_wait(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise each would wait for the failures before it, longer than a request may take."""
    monkeypatch.setattr("portmapper_upnp.late_gateway.load", AsyncMock())
    reads: list[float] = []

    async def connect(_: Endpoint) -> IgdDevice:
        reads.append(clock.monotonic())
        await asyncio.sleep(5)
        raise GatewayTimeout("the gateway did not answer", retry_after=3)

    gateway = never_read(connect)
    calls = [asyncio.create_task(gateway.external_address()) for _ in range(8)]
    await clock.advance(5.1)
    for call in calls:
        with pytest.raises(GatewayTimeout, match="the gateway did not answer"):
            await call
    assert len(reads) == 1
    later = asyncio.create_task(gateway.external_address())
    await clock.advance(5.1)
    with pytest.raises(GatewayTimeout):
        await later
    assert len(reads) == 2


async def test_loading_the_libraries_is_not_the_delay_of_the_gateway(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes long on a slow machine; the gateway has its whole time afterwards."""

    async def slow_load(_: str) -> None:
        await asyncio.sleep(CALL_TIME)

    async def connect(_: Endpoint) -> Any:
        await asyncio.sleep(CALL_TIME - 1)
        return MagicMock(external_address=AsyncMock(return_value=LOOPBACK))

    monkeypatch.setattr("portmapper_upnp.late_gateway.load", slow_load)
    call = asyncio.create_task(never_read(connect).external_address())
    await clock.advance(2 * CALL_TIME)
    assert await call == LOOPBACK


async def test_what_earlier_runs_learned_is_used(
    unread: LatePortMapper, router: Any, request_for: Callable[..., MapRequest]
) -> None:
    """It is kept until the gateway is read."""
    kept: list[str] = []

    class Place:
        def read(self) -> str:
            kept.append("read")
            return ""

        def write(self, text: str) -> None:
            kept.append(text)

    unread.start_from(Place())
    assert kept == []
    await unread.map(request_for())
    assert kept[0] == "read"


async def test_a_gateway_that_is_watched_after_its_reading_reports_events(
    unread: LatePortMapper, router: Any
) -> None:
    """A request may come first."""
    events: list[GatewayEvent] = []
    await unread.external_address()
    await unread.watch(events.append)
    assert unread._device is not None
    unread._device.report_gone()
    assert events == [GatewayEvent.GONE]
    await unread.close()
    unread._device.report_gone()
    assert events == [GatewayEvent.GONE]


async def test_both_listen_with_one_socket(unread: LatePortMapper) -> None:
    """What was heard before the reading stays known, such as a goodbye."""
    await unread.watch(lambda _: None)
    heard = unread._announcements
    await unread.external_address()
    assert unread._device is not None
    assert unread._device._announcements is heard


@pytest.mark.parametrize("answered", [set(), {ELSEWHERE}])
async def test_a_gateway_of_its_own_is_read_at_once(
    backend: IgdBackend, answered: set[Any], router: Any
) -> None:
    """PCP may be silent, or answer on another gateway in front of this one."""
    backend.others_answered(TARGET, answered, may_follow=False, alone=False)
    (gateway,) = await search(backend)
    assert not gateway.unread
    assert fetches(router) == 1


async def test_another_kind_of_device_is_read_at_once(
    backend: IgdBackend, router: Any, responder: Any
) -> None:
    """Only its description tells whether it is a gateway."""
    responder.answer = lambda *_: f"LOCATION: {router.location}\r\nST: upnp:rootdevice"
    backend.others_answered(TARGET, {LOOPBACK}, may_follow=False, alone=False)
    (gateway,) = await search(backend)
    assert not gateway.unread


async def test_a_better_protocol_gets_a_moment(backend: IgdBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both answers arrive at about the same time."""
    monkeypatch.setattr(module, "OTHERS_TIME", 60.0)
    backend.others_answered(TARGET, set(), may_follow=True, alone=False)
    searching = asyncio.create_task(search(backend))
    await asyncio.sleep(0.05)
    assert not searching.done()
    backend.others_answered(TARGET, {LOOPBACK}, may_follow=True, alone=False)
    (gateway,) = await searching
    assert gateway.unread


async def test_the_refusal_of_a_better_protocol_ends_the_moment(
    backend: IgdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So UPnP starts as soon as without it."""
    monkeypatch.setattr(module, "OTHERS_TIME", 60.0)
    backend.others_answered(TARGET, set(), may_follow=True, alone=False)
    searching = asyncio.create_task(search(backend))
    await asyncio.sleep(0.05)
    backend.others_answered(TARGET, set(), may_follow=False, alone=False)
    (gateway,) = await searching
    assert not gateway.unread


async def test_silence_of_a_better_protocol_ends_the_moment(backend: IgdBackend) -> None:
    """Many routers do not refuse it."""
    backend.others_answered(TARGET, set(), may_follow=True, alone=False)
    (gateway,) = await search(backend)
    assert not gateway.unread


async def test_with_the_libraries_loaded_every_gateway_is_read_at_once(
    backend: IgdBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A search then proves that the gateway can be used."""
    monkeypatch.setattr(module, "is_loaded", lambda _: True)
    backend.others_answered(TARGET, {LOOPBACK}, may_follow=False, alone=False)
    (gateway,) = await search(backend)
    assert not gateway.unread


@pytest.mark.parametrize("alone", [True, False])
async def test_alone_it_loads_the_libraries_before_the_first_answer(
    alone: bool, backend: IgdBackend, responder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """miniupnpd waits for 50 ms with it. Beside other protocols, a silent UPnP gateway costs no memory."""
    loaded = asyncio.Event()

    async def load(_: str) -> None:
        loaded.set()

    monkeypatch.setattr(module, "load", load)
    monkeypatch.setattr("portmapper_upnp.search.DECISION_TIME", 60.0)
    responder.answer = lambda *_: None
    backend.others_answered(TARGET, set(), may_follow=False, alone=alone)
    searching = asyncio.create_task(search(backend))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(loaded.wait(), 10.0 if alone else 0.03)
    assert loaded.is_set() is alone
    searching.cancel()


def test_over_ipv6_it_can_do_what_a_firewall_can() -> None:
    """No table, and no restriction to remote hosts."""
    me = ipaddress.ip_address("::1")
    answer = SsdpPacket("answer", me, "http://[::1]/", IGD, "uuid:1", "")
    endpoint = Endpoint("http://[::1]/", me, me)
    assert type(late_gateway(endpoint, answer, AsyncMock())) is LateGateway
