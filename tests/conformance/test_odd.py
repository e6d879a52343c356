"""Rows of the third round: odd bodies and URLs, codes that mean something else, lost answers."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.model import MappingState
from portmapper_upnp import search


async def opens(harness: Any, desired: Any, **more: Any) -> Any:
    """Open one port over UPnP and return its record."""
    entry = await harness.open(desired(**more))
    assert entry.state is MappingState.ACTIVE, entry.error
    assert harness.ports() == {8080}
    return entry


async def test_d14_a_gateway_that_answers_only_ssdp_all_is_found(
    start_gateway: Any, discover: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last searches name it."""
    monkeypatch.setattr(search, "SEND_TIMES", (0.0, 0.05))
    monkeypatch.setattr(search, "LAST_TARGETS_AFTER", 0.05)
    gateway = await start_gateway("D14", protocols=frozenset({"upnp"}))
    assert len((await discover(gateway)).gateways) == 1


@pytest.mark.parametrize("quirk", ["H12", "H12-gzip", "H12-utf-16"])
async def test_h12_a_body_is_read_despite_what_its_headers_say(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """A wrong length, a compression that was not requested, a wrong encoding."""
    await opens(await new_harness(quirk, backends=["upnp"]), desired)


@pytest.mark.parametrize("quirk", ["H13", "H13-slashes"])
async def test_h13_a_control_url_is_used_at_the_gateway(new_harness: Any, desired: Any, quirk: str) -> None:
    """Whatever host the URL names; two slashes are part of the path."""
    await opens(await new_harness(quirk, backends=["upnp"]), desired)


async def test_m11_a_table_that_is_counted_from_1_is_read(new_harness: Any, desired: Any) -> None:
    """It is not empty although index 0 has no entry."""
    harness = await new_harness("M11-from-1", backends=["upnp"])
    await opens(harness, desired)
    (gateway,) = harness.scheduler.discovery.gateways
    assert [row.external_port for row in await gateway.list_mappings()] == [8080]


@pytest.mark.parametrize("quirk", ["M27", "M27-732"])
async def test_m27_any_code_may_mean_that_only_permanent_leases_are_granted(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """Other programs request nothing else, so their authors never saw the code. It is remembered."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=1)
    entry = await opens(harness, desired)
    assert entry.lease.permanent
    await harness.renew(entry)
    assert harness.requested("AddPortMapping")[-1]["NewLeaseDuration"] == "0"


async def test_m28_the_table_decides_if_an_answer_is_no_answer(new_harness: Any, desired: Any) -> None:
    """The gateway opens and closes the port, and answers with a web page about an internal error."""
    harness = await new_harness("M28", backends=["upnp"], igd_version=1)
    await opens(harness, desired)
    await harness.set_desired()
    await harness.until(lambda: not harness.ports(), "closed")
    await harness.until(lambda: len(harness.requested("DeletePortMapping")) == 1, "closed once")
