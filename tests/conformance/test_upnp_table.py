"""Rows of section M of the conformance list about the table of a UPnP gateway."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.backend import PartialTable
from portmapper.api.events import EventKind
from portmapper.api.model import Protocol
from portmapper_simulator.mapping_quirks import TABLE_SIZE


async def test_m10_releasing_a_missing_entry_succeeds(new_harness: Any, desired: Any) -> None:
    """The entry disappears before it is deleted."""
    harness = await new_harness("M10", backends=["upnp"])
    entry = await harness.open(desired(), desired(8081))
    (gateway,) = harness.scheduler.discovery.gateways
    await gateway.unmap(entry.lease)  # 714 from the action itself
    await gateway.unmap(entry.lease)  # the entry no longer exists
    await harness.close_all()
    assert [event.kind for event in harness.events].count(EventKind.CLOSED) == 2


async def test_m11_a_table_that_is_counted_from_1_is_read(new_harness: Any, desired: Any) -> None:
    """It is not empty although index 0 has no entry."""
    harness = await new_harness("M11-from-1", backends=["upnp"])
    await harness.opens(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    assert [row.external_port for row in await gateway.list_mappings()] == [8080]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("quirk", ["", "M11-714", "M11-402", "M11-501", "M11-endless", "show-dummy-rule"])
async def test_m11_a_listing_ends(new_harness: Any, desired: Any, quirk: str, version: int) -> None:
    """The gateway may report the end in several ways, or never."""
    harness = await new_harness(*filter(None, [quirk]), backends=["upnp"], igd_version=version)
    await harness.open(desired(), desired(8081))
    (gateway,) = harness.scheduler.discovery.gateways
    listed = await gateway.list_mappings()
    assert quirk == "M11-endless" or {row.external_port for row in listed} == {8080, 8081}
    assert len(harness.requested("GetGenericPortMappingEntry")) < 100


async def test_m11_an_unreadable_table_is_empty(new_harness: Any, desired: Any) -> None:
    """The gateway answers 501 to every listing action."""
    harness = await new_harness("M11-unreadable", backends=["upnp"])
    await harness.open(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    assert list(await gateway.list_mappings()) == []


async def test_m17_hidden_entries_are_opened_and_deleted(new_harness: Any, desired: Any) -> None:
    """Our own lease is deleted whether or not it can be read."""
    harness = await new_harness("M17", backends=["upnp"])
    await harness.opens(desired())
    await harness.close_all()


async def test_m18_an_empty_entry_has_no_holder(new_harness: Any, desired: Any) -> None:
    """No client, port 0, not enabled."""
    harness = await new_harness("M18", backends=["upnp"])
    await harness.opens(desired())


async def test_m20_a_list_that_ends_with_an_error_shows_what_was_read(new_harness: Any, desired: Any) -> None:
    """The table says that it may be incomplete."""
    harness = await new_harness("M20", backends=["upnp"])
    await harness.opens(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    table = await gateway.list_mappings()
    assert [row.external_port for row in table] == [8080]
    assert isinstance(table, PartialTable)


async def test_m25_more_mappings_than_the_table_holds_are_reported(new_harness: Any, desired: Any) -> None:
    """The lease type does not change because one entry is missing."""
    harness = await new_harness("M25", backends=["upnp"])
    await harness.open(*(desired(8080 + number) for number in range(TABLE_SIZE)))
    await harness.set_desired(*(desired(8080 + number) for number in range(TABLE_SIZE + 2)))
    failures = [event.detail for event in harness.events if event.kind is EventKind.FAILED]
    assert len(failures) == 2
    assert all("its table may be full" in detail for detail in failures)
    assert len(harness.ports()) == TABLE_SIZE
    assert "0" not in harness.added("NewLeaseDuration")


@pytest.mark.parametrize("quirk", ["M29", "M29-listed"])
async def test_m29_an_entry_is_found_where_the_gateway_shows_it(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """Its remote host is `*`, or only the listing has it. It is opened once, verified, and closed."""
    harness = await new_harness(quirk, backends=["upnp"], options={"interval": 0.2})
    await harness.opens(desired())
    before = len(harness.requested("GetGenericPortMappingEntry"))
    await harness.until(
        lambda: len(harness.requested("GetGenericPortMappingEntry")) > before + 2, "verified again"
    )
    assert len(harness.requested("AddPortMapping")) == 1
    await harness.close_all()


@pytest.mark.parametrize("quirk", ["M30", "M30-both"])
async def test_m30_an_entry_for_both_protocols_is_listed_as_two(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """The gateway shows TCP/UDP, or BOTH."""
    harness = await new_harness(quirk, backends=["upnp"])
    await harness.opens(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    table = await gateway.list_mappings()
    assert [(row.protocol, row.external_port) for row in table] == [
        (Protocol.TCP, 8080),
        (Protocol.UDP, 8080),
    ]
    await harness.close_all()
