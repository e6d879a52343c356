"""Section M of the conformance list: which mappings a gateway refuses over UPnP, and what follows."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import attrs
import pytest

from portmapper.api.errors import Conflict, NoResources, NotAuthorized, Unsupported
from portmapper.api.model import ConflictPolicy, MappingState, Protocol
from portmapper_simulator.table import Entry
from portmapper_upnp import optional_queries, requester

OTHER_HOST = "127.0.0.9"
MAX_REQUESTS = 12
"""Limit of add requests for one attempt."""


def occupy(harness: Any, port: int = 8080, host: str = OTHER_HOST) -> None:
    """Add a permanent mapping of another host."""
    harness.gateway.table.put(Entry(Protocol.TCP, port, host, port, "upnp", description="theirs"))


async def test_m3_our_own_entry_is_replaced_after_718(new_harness: Any, desired: Any) -> None:
    """If a gateway reports a conflict for every renewal, the entry is deleted and added again."""
    harness = await new_harness("M3", backends=["upnp"])
    entry = await harness.open(desired())
    await harness.renew(entry)
    assert (entry.state, entry.error) == (MappingState.ACTIVE, None)
    assert harness.ports() == {8080}


@pytest.mark.parametrize(
    ("policy", "state", "port"),
    [
        (ConflictPolicy.OWN, MappingState.CONFLICT, None),
        (ConflictPolicy.FAIL, MappingState.CONFLICT, None),
        (ConflictPolicy.NEXT, MappingState.ACTIVE, 8081),
        (ConflictPolicy.TAKE, MappingState.ACTIVE, 8080),
    ],
)
async def test_m3_the_policy_decides_about_another_hosts_entry(
    new_harness: Any, desired: Any, policy: ConflictPolicy, state: MappingState, port: int | None
) -> None:
    """Only `take` replaces the entry."""
    harness = await new_harness(backends=["upnp"])
    occupy(harness)
    entry = await harness.open(desired(conflict=policy))
    assert entry.state is state
    assert (entry.lease.external_port if entry.lease else None) == port
    holder = harness.gateway.table.get(Protocol.TCP, 8080).internal_address
    assert (holder == OTHER_HOST) is (policy is not ConflictPolicy.TAKE)
    if port is None:
        assert str(entry.refusal.holder.internal_address) == OTHER_HOST


@pytest.mark.parametrize("quirk", ["M4", "M4-501"])
@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.NEXT])
async def test_m4_another_mechanism_is_a_conflict_after_limited_retries(
    new_harness: Any, desired: Any, quirk: str, policy: ConflictPolicy
) -> None:
    """Both 729 and 501 mean this."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired(conflict=policy))
    assert entry.state is MappingState.CONFLICT
    assert isinstance(entry.refusal, Conflict)
    tries = harness.requested("AddPortMapping") + harness.requested("AddAnyPortMapping")
    assert 1 <= len(tries) <= MAX_REQUESTS


async def test_m4_separate_tables_are_another_mechanism(new_harness: Any, desired: Any) -> None:
    """UPnP cannot get a port that NAT-PMP holds, and nothing is deleted."""
    harness = await new_harness("tables-apart", backends=["upnp"])
    harness.gateway.table.put(Entry(Protocol.TCP, 8080, OTHER_HOST, 8080, "natpmp"))
    entry = await harness.open(desired())
    assert entry.refusal.code == 729
    assert harness.ports() == {8080}
    assert harness.requested("DeletePortMapping") == []


async def test_m5_the_same_port_is_used_if_the_policy_allows_it(new_harness: Any, desired: Any) -> None:
    """`next` gets the internal port as external port; `own` is refused with the reason."""
    harness = await new_harness("M5", backends=["upnp"])
    entry = await harness.open(desired(8080, 9090, conflict=ConflictPolicy.NEXT))
    assert entry.lease.external_port == 9090
    entry = await harness.open(desired(8081, 9091))
    assert isinstance(entry.refusal, Unsupported)
    assert entry.refusal.code == 724


async def test_m6_the_remote_host_is_always_empty(new_harness: Any, desired: Any) -> None:
    """This is true in every action; the gateway refuses any other value with 726."""
    harness = await new_harness(backends=["upnp"], igd_version=1)
    entry = await harness.open(desired())
    await harness.renew(entry)
    await harness.scheduler.release_all()
    remote = [
        request.details["NewRemoteHost"]
        for request in harness.gateway.requests
        if "NewRemoteHost" in request.details
    ]
    assert len(remote) >= 4
    assert set(remote) == {""}


@pytest.mark.parametrize(
    ("quirk", "kind"),
    [("M7-606", NotAuthorized), ("M7-727", Unsupported), ("M7-728", NoResources)],
)
@pytest.mark.usefixtures("quick_search")
async def test_m7_a_refused_request_is_not_repeated_at_once(
    new_harness: Any, desired: Any, quirk: str, kind: type[Exception]
) -> None:
    """The error has the gateway's code, and the next request follows later."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired())
    error = entry.refusal
    assert isinstance(error, kind)
    assert (error.code, entry.state) == (int(quirk[-3:]), MappingState.REFUSED)
    assert quirk[-3:] in entry.error
    before = len(harness.requested("AddPortMapping"))
    await asyncio.sleep(1.2)
    assert len(harness.requested("AddPortMapping")) == before <= 2
    assert entry.due - asyncio.get_running_loop().time() > 20


async def test_m8_add_port_mapping_decides(new_harness: Any, desired: Any) -> None:
    """Some gateways refuse AddAnyPortMapping with a code that looks like their policy."""
    harness = await new_harness("M8-606", backends=["upnp"])
    await harness.opens(desired(conflict=ConflictPolicy.NEXT))


async def test_m8_without_add_any_the_plain_action_is_used(new_harness: Any, desired: Any) -> None:
    """The gateway claims version 2, so AddAnyPortMapping is tried first."""
    harness = await new_harness("M8", backends=["upnp"])
    occupy(harness)
    entry = await harness.open(
        desired(conflict=ConflictPolicy.NEXT), desired(9000, conflict=ConflictPolicy.NEXT)
    )
    assert entry.lease.external_port == 8081
    assert 9000 in harness.ports()
    assert 1 <= len(harness.requested("AddAnyPortMapping")) <= 2


async def test_m9_another_assigned_port_is_used_or_released(new_harness: Any, desired: Any) -> None:
    """`next` uses it, and `own` never lets the gateway choose."""
    harness = await new_harness("M9", backends=["upnp"])
    entry = await harness.open(desired(conflict=ConflictPolicy.NEXT))
    assert (entry.lease.external_port, harness.ports()) == (9080, {9080})
    entry = await harness.open(desired())
    assert entry.lease.external_port == 8080
    await harness.until(lambda: harness.ports() == {8080}, "the other port closed")


@pytest.mark.parametrize("quirk", ["M12", "M12-718"])
async def test_m12_secure_mode_is_explained(new_harness: Any, desired: Any, quirk: str) -> None:
    """The gateway may report it as 606 or 718."""
    harness = await new_harness(quirk, backends=["upnp"])
    entry = await harness.open(desired(address=ipaddress.ip_address("127.0.0.7")))
    error = entry.refusal
    assert isinstance(error, NotAuthorized)
    assert "127.0.0.7" in str(error)
    assert "itself" in str(error)
    assert entry.state is MappingState.REFUSED


async def test_m16_an_entry_for_our_former_address_is_replaced(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """After a new address from DHCP, the only entry is for this address."""
    harness = await start_scheduler(await start_gateway(), ["upnp"], searched=True, local="127.0.0.8")
    entry = await harness.open(desired())
    assert str(entry.lease.internal_address) == "127.0.0.8"
    harness.network = attrs.evolve(
        harness.network,
        interfaces=(
            attrs.evolve(harness.network.interfaces[0], addresses=(ipaddress.ip_interface("127.0.0.1/8"),)),
        ),
    )
    await harness.scheduler.network_changed()
    await harness.until(lambda: str(entry.lease and entry.lease.internal_address) == "127.0.0.1", "moved")
    assert [row.internal_address for row in harness.gateway.table] == ["127.0.0.1"]


@pytest.mark.parametrize("comment", ["Let's Encrypt", "the web server of the photo archive in the cellar"])
async def test_m19_a_rejected_description_is_replaced(new_harness: Any, desired: Any, comment: str) -> None:
    """A plain description is sent once after the refusal, and at once from then on."""
    harness = await new_harness("M19", backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired(comment=comment))
    assert harness.added("NewLeaseDuration") == ["3600", "3600"]
    assert entry.lease.lifetime == 3600
    await harness.renew(entry)
    assert len(harness.added("NewLeaseDuration")) == 3


async def test_m21_a_slow_request_is_checked_before_it_is_repeated(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry exists, so the request is not sent again."""
    monkeypatch.setattr(requester, "REQUEST_TIME", 0.5)
    harness = await new_harness("M21", backends=["upnp"])
    await harness.opens(desired())
    assert len(harness.requested("AddPortMapping")) == 1


async def test_m26_only_the_answer_to_the_request_counts(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries hang, and the port is opened."""
    monkeypatch.setattr(optional_queries, "QUERY_TIME", 0.3)
    monkeypatch.setattr("portmapper_upnp.connection.QUERY_TIME", 0.3)
    harness = await new_harness("M26", backends=["upnp"])
    await harness.opens(desired(conflict=ConflictPolicy.OWN))
    assert harness.gateway.table.get(Protocol.TCP, 8080) is not None


async def test_m28_the_table_decides_if_an_answer_is_no_answer(new_harness: Any, desired: Any) -> None:
    """The gateway opens and closes the port, and answers with a web page about an internal error."""
    harness = await new_harness("M28", backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired())
    assert (await harness.renew(entry)).error is None
    await harness.close_all()
    await harness.until(lambda: len(harness.requested("DeletePortMapping")) == 1, "closed once")


async def test_m31_a_description_that_is_taken_is_replaced(new_harness: Any, desired: Any) -> None:
    """The gateway reports that the port is taken. The next mappings get unique descriptions at once."""
    harness = await new_harness("M31", backends=["upnp"], igd_version=1)
    await harness.open(*(desired(port, comment="web") for port in (8080, 8081)))
    assert harness.ports() == {8080, 8081}
    before = len(harness.requested("AddPortMapping"))
    await harness.set_desired(*(desired(port, comment="web") for port in (8080, 8081, 8082)))
    assert harness.ports() == {8080, 8081, 8082}
    assert len(harness.requested("AddPortMapping")) == before + 1


@pytest.mark.parametrize("quirk", ["M33", "M33-715", "M33-726"])
async def test_m33_every_host_is_written_as_the_gateway_wants_it(
    new_harness: Any, desired: Any, quirk: str
) -> None:
    """It is remembered, and used to find and to delete the entry."""
    harness = await new_harness(quirk, backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired())
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert harness.added("NewRemoteHost")[before:] == ["0.0.0.0"]
    await harness.close_all()


async def test_m33_access_is_not_widened(new_harness: Any, desired: Any) -> None:
    """A gateway that refuses a remote host does not get another one."""
    harness = await new_harness("M6", backends=["upnp"], igd_version=1)
    entry = await harness.open(desired(remote=ipaddress.IPv4Network("198.51.100.7")))
    assert entry.state is not MappingState.ACTIVE
    assert set(harness.added("NewRemoteHost")) == {"198.51.100.7"}
    assert harness.ports() == set()


async def test_m34_a_description_may_be_one_word(new_harness: Any, desired: Any) -> None:
    """It is remembered."""
    harness = await new_harness("M34", backends=["upnp"], igd_version=1)
    entry = await harness.opens(desired(comment="web server 2"))
    before = len(harness.requested("AddPortMapping"))
    await harness.renew(entry)
    assert len(harness.requested("AddPortMapping")) == before + 1


async def test_m35_the_former_external_port_of_an_internal_port_is_closed_first(
    new_harness: Any, desired: Any
) -> None:
    """The gateway allows one external port for an internal port, and reports that the new one is taken."""
    harness = await new_harness("M35", backends=["upnp"], igd_version=1)
    await harness.open(desired(8079, 8080))
    await harness.open(desired(8080, 8080))
    await harness.until(lambda: harness.ports() == {8080}, "moved")


async def test_m35_an_entry_of_an_earlier_run_is_replaced(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """It has our description, and the lease store is lost."""
    gateway = await start_gateway("M35", igd_version=1)
    await (await start_scheduler(gateway, ["upnp"])).open(desired(8079, 8080))
    harness = await start_scheduler(gateway, ["upnp"])
    await harness.open(desired(8080, 8080))
    assert harness.ports() == {8080}


async def test_m35_another_program_keeps_its_external_port(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """Its description differs."""
    gateway = await start_gateway("M35", igd_version=1)
    await (await start_scheduler(gateway, ["upnp"])).open(desired(8079, 8080, comment="another"))
    harness = await start_scheduler(gateway, ["upnp"])
    entry = await harness.open(desired(8080, 8080))
    assert entry.state is MappingState.CONFLICT
    assert harness.ports() == {8079}
