"""Rows of the second round: behaviors of real gateways from public reports."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from portmapper.api.backend import PartialTable
from portmapper.api.events import EventKind
from portmapper.api.model import ConflictPolicy, MappingState, Protocol
from portmapper_simulator.field_quirks import DAY, SHORT_LEASE, TABLE_SIZE
from portmapper_upnp import optional_queries, requester
from portmapper_upnp.ssdp_packet import read_packet

WEEK = 604_800


async def opens(harness: Any, desired: Any, **more: Any) -> Any:
    """Open one port over UPnP and return its record."""
    entry = await harness.open(desired(**more))
    assert entry.state is MappingState.ACTIVE, entry.error
    assert harness.ports() == {8080}
    return entry


def added(harness: Any, argument: str) -> list[str]:
    """Return one argument of each AddPortMapping, in order."""
    return [details[argument] for details in harness.requested("AddPortMapping")]


def test_d11_a_location_on_the_default_gateway_is_accepted_from_any_sender() -> None:
    """An OPNsense pair answers from the second address of the router."""
    gateway = ipaddress.ip_address("192.168.1.1")
    packet = b"HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nLOCATION: http://192.168.1.1:5000/d.xml\r\n\r\n"
    answer = read_packet(packet, ("192.168.1.2", 1900), gateway)
    assert answer is not None
    assert answer.location == "http://192.168.1.1:5000/d.xml"
    unknown = read_packet(packet, ("192.168.1.2", 1900))
    assert unknown is not None
    assert unknown.location is None


async def test_d12_an_ipv6_loopback_location_means_the_sender(new_harness: Any, desired: Any) -> None:
    """The description is fetched from the address that answered over IPv4."""
    await opens(await new_harness("D12", backends=["upnp"]), desired)


async def test_d13_a_late_answer_is_found(start_gateway: Any, discover: Any) -> None:
    """A search without an answer lasts longer than one with an answer."""
    gateway = await start_gateway("D13", protocols=frozenset({"upnp"}))
    assert len((await discover(gateway)).gateways) == 1


@pytest.mark.parametrize("quirks", [("H8",), ("H8", "M1")])
async def test_h8_the_intact_part_of_an_answer_is_read(
    new_harness: Any, desired: Any, quirks: tuple[str, ...]
) -> None:
    """Answers, and faults up to their code."""
    harness = await new_harness(*quirks, backends=["upnp"], igd_version=1)
    entry = await opens(harness, desired)
    assert str(entry.lease.external_address) == "11.22.33.44"
    assert entry.lease.permanent is ("M1" in quirks)


@pytest.mark.parametrize("quirk", ["H9", "H9-uuid"])
async def test_h9_an_odd_control_url_is_resolved(new_harness: Any, desired: Any, quirk: str) -> None:
    """As RFC 3986 specifies, then as miniupnpc does."""
    await opens(await new_harness(quirk, backends=["upnp"]), desired)


async def test_h10_requests_have_no_whitespace_between_elements(new_harness: Any, desired: Any) -> None:
    """Some routers close the connection otherwise."""
    await opens(await new_harness("H10", backends=["upnp"]), desired)


async def test_h11_an_overloaded_gateway_gets_one_call_at_a_time(new_harness: Any, desired: Any) -> None:
    """Every port is opened, although a second connection is closed."""
    harness = await new_harness("H11", backends=["upnp"])
    await harness.open(*(desired(8080 + number) for number in range(6)))
    await harness.until(lambda: len(harness.ports()) == 6, "all open")


async def test_s7_the_next_service_is_tried_after_501(new_harness: Any, desired: Any) -> None:
    """The service that worked is used from then on."""
    harness = await new_harness("S7", backends=["upnp"], igd_version=1)
    entry = await opens(harness, desired)
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert len(harness.requested("AddPortMapping")) == before + 1


async def test_s8_an_ipv6_address_is_no_external_address(new_harness: Any, desired: Any) -> None:
    """A port that is mapped over IPv4 is not reachable there."""
    entry = await opens(await new_harness("S8", backends=["upnp"]), desired)
    assert entry.lease.external_address is None


async def test_m17_hidden_entries_are_opened_and_deleted(new_harness: Any, desired: Any) -> None:
    """Our own lease is deleted whether or not it can be read."""
    harness = await new_harness("M17", backends=["upnp"])
    await opens(harness, desired)
    await harness.set_desired()
    await harness.until(lambda: not harness.ports(), "released")


async def test_m18_an_empty_entry_has_no_holder(new_harness: Any, desired: Any) -> None:
    """No client, port 0, not enabled."""
    await opens(await new_harness("M18", backends=["upnp"]), desired)


@pytest.mark.parametrize("comment", ["Let's Encrypt", "the web server of the photo archive in the cellar"])
async def test_m19_a_rejected_description_is_replaced(new_harness: Any, desired: Any, comment: str) -> None:
    """A plain description is sent once after the refusal, and at once from then on."""
    harness = await new_harness("M19", backends=["upnp"], igd_version=1)
    entry = await opens(harness, desired, comment=comment)
    assert added(harness, "NewLeaseDuration") == ["3600", "3600"]
    assert entry.lease.lifetime == 3600
    await harness.renew(entry)
    assert len(added(harness, "NewLeaseDuration")) == 3


async def test_m20_a_list_that_ends_with_an_error_shows_what_was_read(new_harness: Any, desired: Any) -> None:
    """The table says that it may be incomplete."""
    harness = await new_harness("M20", backends=["upnp"])
    await opens(harness, desired)
    (gateway,) = harness.scheduler.discovery.gateways
    table = await gateway.list_mappings()
    assert [row.external_port for row in table] == [8080]
    assert isinstance(table, PartialTable)


async def test_m21_a_slow_request_is_checked_before_it_is_repeated(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry exists, so the request is not sent again."""
    monkeypatch.setattr(requester, "REQUEST_TIME", 0.5)
    harness = await new_harness("M21", backends=["upnp"])
    await opens(harness, desired)
    assert len(harness.requested("AddPortMapping")) == 1


@pytest.mark.parametrize(("lifetime", "granted"), [(0, DAY), (30 * DAY, DAY), (3600, 3600)])
async def test_m22_a_narrow_lease_limit_is_found(
    new_harness: Any, desired: Any, lifetime: int, granted: int
) -> None:
    """A week is tried, then a day, and the limit is remembered."""
    harness = await new_harness("M22", backends=["upnp"], igd_version=1)
    entry = await opens(harness, desired, duration=lifetime)
    assert (entry.lease.permanent, entry.lease.lifetime) == (False, granted)
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert added(harness, "NewLeaseDuration")[before:] == [str(granted)]


async def test_m23_a_moved_control_url_is_read_from_the_description(new_harness: Any, desired: Any) -> None:
    """The old one answers 404 after a restart."""
    harness = await new_harness("M23", backends=["upnp"], options={"interval": 0.5})
    await opens(harness, desired)
    await harness.gateway.restart(announce=False)
    await harness.until(lambda: harness.ports() == {8080}, "restored")


async def test_m24_the_lifetime_is_taken_from_the_entry(new_harness: Any, desired: Any) -> None:
    """The gateway grants less than was requested, and does not say so."""
    entry = await opens(await new_harness("M24", backends=["upnp"]), desired)
    assert entry.lease.lifetime == SHORT_LEASE


async def test_m25_more_mappings_than_the_table_holds_are_reported(new_harness: Any, desired: Any) -> None:
    """The lease type does not change because one entry is missing."""
    harness = await new_harness("M25", backends=["upnp"])
    await harness.open(*(desired(8080 + number) for number in range(TABLE_SIZE)))
    await harness.set_desired(*(desired(8080 + number) for number in range(TABLE_SIZE + 2)))
    failures = [event.detail for event in harness.events if event.kind is EventKind.FAILED]
    assert len(failures) == 2
    assert all("its table may be full" in detail for detail in failures)
    assert len(harness.ports()) == TABLE_SIZE
    assert "0" not in added(harness, "NewLeaseDuration")


async def test_m26_only_the_answer_to_the_request_counts(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries hang, and the port is opened."""
    monkeypatch.setattr(optional_queries, "QUERY_TIME", 0.3)
    monkeypatch.setattr("portmapper_upnp.connection.QUERY_TIME", 0.3)
    harness = await new_harness("M26", backends=["upnp"])
    await opens(harness, desired, conflict=ConflictPolicy.OWN)
    assert harness.gateway.table.get(Protocol.TCP, 8080) is not None
