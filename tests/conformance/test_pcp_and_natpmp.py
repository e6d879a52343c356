"""Section P of the conformance list: PCP and NAT-PMP of gateways."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import attrs
import pytest

from portmapper.api.errors import NetworkFailure, NoResources, NotAuthorized, Unsupported
from portmapper.api.events import EventKind
from portmapper.api.model import ANY_PORT, ConflictPolicy, MappingState, Protocol
from portmapper_pcp import answers
from portmapper_simulator.profiles import settings_of
from portmapper_simulator.quirks import QUIRKS

BOTH = ["pcp", "natpmp"]
FORGED = ["P1", *sorted(name for name in QUIRKS if name.startswith("P1-"))]
ANNOUNCEMENT_GROUP = ("224.0.0.1", 5350)


async def _failures(harness: Any) -> Any:
    """Wait for the end of the search and return the errors of the backends."""
    search = harness.scheduler.discovery.searches[0]
    await harness.until(lambda: search.done, "searched")
    return search.failures


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("quirk", FORGED)
async def test_p1_a_reply_that_does_not_match_is_ignored(
    new_harness: Any, desired: Any, quirk: str, backend: str
) -> None:
    """The lease is that of the genuine reply."""
    harness = await new_harness(quirk, backends=[backend])
    entry = await harness.open(desired())
    assert (entry.state, entry.error) == (MappingState.ACTIVE, None)
    assert (entry.lease.external_port, entry.lease.lifetime) == (8080, 3600)
    assert harness.ports() == {8080}


async def test_p1_a_reply_from_another_address_is_ignored(new_harness: Any, desired: Any) -> None:
    """A third party answers every request at once, from the right port but a wrong address."""
    harness = await new_harness("P7-delay", backends=["natpmp"])
    with socket.socket(type=socket.SOCK_DGRAM) as third_party:
        third_party.bind(("127.0.0.6", 0))
        opening = asyncio.create_task(harness.open(desired()))
        while not opening.done():
            for gateway in harness.scheduler.discovery.gateways:
                local = gateway._exchange._transport.get_extra_info("sockname")
                third_party.sendto(struct.pack("!BBHIHHI", 0, 130, 0, 9, 8080, 6666, 60), local)
            await asyncio.sleep(0.02)
    assert (await opening).lease.external_port == 8080


async def test_p2_version_0_is_nat_pmp(new_harness: Any, desired: Any) -> None:
    """The short answer ends the search for PCP before its time limit."""
    harness = await new_harness("P2", backends=BOTH)
    entry = await harness.open(desired())
    assert entry.lease.backend == "natpmp"
    assert isinstance((await _failures(harness))["pcp"], Unsupported)


async def test_p3_an_unsupported_version_is_an_error(new_harness: Any, desired: Any) -> None:
    """RFC 6887, section 9: without a common version, PCP fails, and NAT-PMP is used."""
    harness = await new_harness("P3", backends=BOTH)
    entry = await harness.open(desired())
    assert entry.lease.backend == "natpmp"
    assert "version" in str((await _failures(harness))["pcp"])


async def test_p3_pcp_is_kept_if_the_gateway_supports_it(new_harness: Any, desired: Any) -> None:
    """A gateway that also supports NAT-PMP is used over PCP through all renewals."""
    harness = await new_harness(backends=BOTH)
    entry = await harness.open(desired())
    assert entry.lease.backend == "pcp"
    for _ in range(3):
        await harness.renew(entry)
    assert entry.lease.backend == "pcp"


async def test_p4_silence_to_pcp_does_not_hide_nat_pmp(new_harness: Any, desired: Any) -> None:
    """NAT-PMP answers."""
    harness = await new_harness("P4", backends=BOTH)
    assert (await harness.open(desired())).lease.backend == "natpmp"


async def test_p5_a_closed_port_leads_to_the_next_protocol_at_once(
    new_harness: Any, desired: Any, free_port: Any
) -> None:
    """The ICMP error arrives before the time limit."""
    harness = await new_harness("P5", options={"chosen": (f"127.0.0.1:{free_port()}",)})
    assert (await harness.open(desired())).lease.backend == "upnp"
    failures = await _failures(harness)
    assert {type(failures[backend]) for backend in BOTH} == {NetworkFailure}


@pytest.mark.parametrize("backend", BOTH)
async def test_p6_the_granted_port_and_lifetime_are_used(
    new_harness: Any, desired: Any, backend: str
) -> None:
    """The gateway grants another port and a quarter of the lifetime."""
    harness = await new_harness("P6", backends=[backend])
    entry = await harness.open(desired(conflict=ConflictPolicy.NEXT))
    assert (entry.lease.external_port, entry.lease.lifetime) == (9080, 900)
    assert harness.ports() == {9080}


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.FAIL])
async def test_p6_another_port_is_released_if_the_policy_forbids_it(
    new_harness: Any, desired: Any, backend: str, policy: ConflictPolicy
) -> None:
    """The mapping's state is conflict."""
    harness = await new_harness("P6-port", backends=[backend])
    entry = await harness.open(desired(conflict=policy))
    assert entry.state is MappingState.CONFLICT
    assert harness.ports() == set()


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    "quirks",
    [("P7",), ("P7-loss",), ("P7-duplicate",), ("P7-reorder",), ("P7-delay",), ("P7-loss", "P7-duplicate")],
)
async def test_p7_a_bad_network_creates_no_duplicate_mapping(
    new_harness: Any, desired: Any, backend: str, quirks: tuple[str, ...]
) -> None:
    """Each port is opened, and all requests for it have the same nonce."""
    harness = await new_harness(*quirks, backends=[backend])
    await harness.open(*(desired(9000 + number) for number in range(5)))
    assert harness.ports() == set(range(9000, 9005))
    nonces = {(details["internal_port"], details.get("nonce")) for details in harness.requested("MAP")}
    assert len(nonces) == 5


async def test_p8_a_request_is_not_repeated_before_the_errors_lifetime(
    new_harness: Any, desired: Any
) -> None:
    """The PCP error has a lifetime of five seconds."""
    harness = await new_harness("P8", backends=["pcp"])
    entry = await harness.open(desired())
    ((_, error),) = entry.refusals
    assert isinstance(error, NoResources)
    assert error.retry_after == 5
    before = len(harness.requested("MAP"))
    await asyncio.sleep(1)
    assert len(harness.requested("MAP")) == before == 1
    assert entry.due - asyncio.get_running_loop().time() > 3.5


@pytest.mark.parametrize("backend", BOTH)
async def test_p9_no_external_address_is_reported(new_harness: Any, desired: Any, backend: str) -> None:
    """NAT-PMP reports result code 3, and PCP 7."""
    harness = await new_harness("P9", backends=[backend])
    entry = await harness.open(desired())
    ((_, error),) = entry.refusals
    assert isinstance(error, NetworkFailure)
    assert "external address" in entry.error


@pytest.mark.parametrize("quirk", ["", "P10", "P10-lag"])
@pytest.mark.parametrize("backend", BOTH)
async def test_p10_an_epoch_that_decreases_renews_all_leases(
    new_harness: Any, desired: Any, backend: str, quirk: str
) -> None:
    """The next reply shows it, even without an announcement."""
    harness = await new_harness(backends=[backend])
    mappings = [desired(9000 + number) for number in range(4)]
    entry = await harness.open(*mappings)
    await harness.gateway.restart(announce=False)
    harness.gateway.state.quirks.update(filter(None, [quirk]))
    await harness.renew(entry)
    await harness.until(lambda: harness.ports() == set(range(9000, 9004)), "restored")
    assert EventKind.GATEWAY_RESTARTED in harness.kinds()


@pytest.mark.parametrize("backend", BOTH)
async def test_p11_an_epoch_that_advances_is_no_restart(new_harness: Any, desired: Any, backend: str) -> None:
    """No lease is renewed because of it."""
    harness = await new_harness(backends=[backend])
    entry = await harness.open(desired(), desired(8081))
    await asyncio.sleep(1.1)
    await harness.renew(entry)
    assert EventKind.GATEWAY_RESTARTED not in harness.kinds()
    assert {details["internal_port"] for details in harness.requested("MAP")} == {8080, 8081}


@pytest.mark.parametrize("backend", BOTH)
async def test_p12_an_announced_restart_renews_within_seconds(
    new_harness: Any, desired: Any, backend: str
) -> None:
    """The leases' half-lives do not matter."""
    harness = await new_harness(backends=[backend])
    await harness.open(*(desired(9000 + number) for number in range(4)))
    await harness.gateway.restart()
    await harness.until(lambda: len(harness.ports()) == 4, "restored")
    assert EventKind.GATEWAY_RESTARTED in harness.kinds()


@pytest.mark.parametrize("backend", BOTH)
async def test_p12_a_flood_of_forged_announcements_changes_nothing(
    new_harness: Any, desired: Any, backend: str
) -> None:
    """They have many epochs and come from another address and from another port of the gateway."""
    harness = await new_harness(backends=[backend])
    await harness.open(desired())
    before = len(harness.gateway.requests)
    for host in ("127.0.0.6", "127.0.0.1"):
        with socket.socket(type=socket.SOCK_DGRAM) as third_party:
            third_party.bind((host, 0))
            third_party.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host))
            for epoch in range(1000):
                third_party.sendto(struct.pack("!BBBBII12x", 2, 128, 0, 0, 0, epoch), ANNOUNCEMENT_GROUP)
                third_party.sendto(struct.pack("!BBHI4B", 0, 128, 0, epoch, 6, 6, 6, 6), ANNOUNCEMENT_GROUP)
            await asyncio.sleep(0.4)
    assert len(harness.gateway.requests) == before
    assert EventKind.GATEWAY_RESTARTED not in harness.kinds()


async def test_p13_nat_pmp_deletes_one_protocol_with_lifetime_and_port_0(
    new_harness: Any, desired: Any
) -> None:
    """The UDP mapping of the same port stays."""
    harness = await new_harness(backends=["natpmp"])
    udp = desired(protocol=Protocol.UDP)
    await harness.open(desired(), udp)
    await harness.open(udp)
    await harness.until(lambda: len(harness.gateway.table) == 1, "released")
    (deletion,) = (request for request in harness.requested("MAP") if request["lifetime"] == 0)
    assert (deletion["external_port"], deletion["internal_port"]) == (0, 8080)
    assert deletion["protocol"] is Protocol.TCP


async def test_p13_pcp_deletes_with_the_nonce_of_the_mapping(new_harness: Any, desired: Any) -> None:
    """The gateway refuses any other nonce."""
    harness = await new_harness(backends=["pcp"])
    await harness.open(desired())
    await harness.set_desired()
    await harness.until(lambda: not harness.ports(), "released")
    first, *_, last = harness.requested("MAP")
    assert (first["lifetime"], last["lifetime"]) == (3600, 0)
    assert first["nonce"] == last["nonce"]


async def test_p14_a_random_port_is_renewed_and_its_change_is_reported(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """VPN providers grant such ports for a minute."""
    profile = settings_of("vpn-natpmp")
    gateway = await start_gateway(*profile.quirks, protocols=profile.protocols)
    harness = await start_scheduler(gateway)
    entry = await harness.open(desired(ANY_PORT, 8080))
    first = entry.lease.external_port
    assert (entry.lease.lifetime, harness.ports()) == (60, {first})
    assert 20 < entry.due - asyncio.get_running_loop().time() < 40
    await harness.renew(entry)
    assert entry.lease.external_port == first
    await gateway.restart()
    await harness.until(lambda: entry.lease.external_port != first, "another port")
    changes = [event for event in harness.events if event.kind is EventKind.EXTERNAL_PORT_CHANGED]
    assert [event.external_port for event in changes] == [entry.lease.external_port]


async def test_p14_both_protocols_of_a_row_follow_the_provider_to_one_port(
    start_gateway: Any, start_scheduler: Any, desired: Any
) -> None:
    """Also after the VPN reconnects, and forwards to another port."""
    profile = settings_of("vpn-natpmp")
    gateway = await start_gateway(*profile.quirks, protocols=profile.protocols)
    harness = await start_scheduler(gateway)
    row = attrs.evolve(desired(ANY_PORT, 8080), same_port=True)
    await harness.open(row, attrs.evolve(row, protocol=Protocol.UDP))

    def ports() -> list[int]:
        return [e.lease.external_port for e in harness.scheduler.records.values() if e.lease]

    await harness.until(lambda: len(ports()) == 2, "both open")
    (first,) = set(ports())
    await gateway.restart()
    await harness.until(lambda: len(ports()) == 2 and first not in ports(), "both at another port")
    await harness.until(lambda: len(set(ports())) == 1, "one number")


async def test_p15_a_specific_port_is_always_suggested(new_harness: Any, desired: Any) -> None:
    """This is true even if any port is accepted."""
    harness = await new_harness("P15", backends=["natpmp"])
    entry = await harness.open(desired(ANY_PORT, 8080))
    assert entry.state is MappingState.ACTIVE, entry.error
    assert harness.requested("MAP")[0]["external_port"] == 8080


async def test_p16_not_authorized_moves_the_mapping_to_the_next_backend(
    new_harness: Any, desired: Any
) -> None:
    """PCP and NAT-PMP refuse, and UPnP opens the port; without UPnP, the state is refused."""
    harness = await new_harness("P16")
    assert (await harness.open(desired())).lease.backend == "upnp"
    for backend in BOTH:
        alone = await new_harness("P16", backends=[backend])
        entry = await alone.open(desired())
        ((_, error),) = entry.refusals
        assert isinstance(error, NotAuthorized)
        assert (error.code, entry.state) == (2, MappingState.REFUSED)


async def test_p17_address_mismatch_is_another_nat(new_harness: Any, desired: Any) -> None:
    """The message says so."""
    harness = await new_harness("P17", backends=["pcp"])
    entry = await harness.open(desired())
    ((_, error),) = entry.refusals
    assert isinstance(error, NetworkFailure)
    assert error.code == 12
    assert "another NAT" in entry.error


@pytest.mark.parametrize(("quirk", "backend"), [("P18", "pcp"), ("P19", "natpmp")])
async def test_p18_p19_a_server_that_answers_only_mapping_requests_is_found(
    new_harness: Any, desired: Any, monkeypatch: pytest.MonkeyPatch, quirk: str, backend: str
) -> None:
    """It is asked to delete a mapping that does not exist."""
    monkeypatch.setattr(answers, "OTHERWISE_AFTER", 0.05)
    harness = await new_harness(quirk, backends=[backend])
    entry = await harness.opens(desired())
    (gateway,) = harness.scheduler.discovery.gateways
    assert await gateway.external_address() == entry.lease.external_address
    await harness.gateway.restart(announce=False)
    await gateway.probe()
    await harness.until(lambda: harness.ports() == {8080}, "restored")


@pytest.mark.parametrize("quirk", ["P20", "P20-padded"])
async def test_p20_a_reply_of_another_length_is_read(new_harness: Any, desired: Any, quirk: str) -> None:
    """Without the external address, or longer than the RFC allows."""
    harness = await new_harness(quirk, backends=["pcp"])
    entry = await harness.opens(desired())
    assert (entry.lease.external_address is None) is (quirk == "P20")
    await harness.close_all()


async def test_p21_a_gateway_that_chooses_every_port_is_asked_for_any(new_harness: Any, desired: Any) -> None:
    """The renewal keeps the port that the gateway chose."""
    harness = await new_harness("P21", backends=["natpmp"])
    entry = await harness.open(desired(ANY_PORT, 8080))
    assert entry.state is MappingState.ACTIVE, entry.error
    chosen = entry.lease.external_port
    await harness.renew(entry)
    assert (entry.lease.external_port, harness.ports()) == (chosen, {chosen})


async def test_p21_a_port_that_is_refused_stays_refused(new_harness: Any, desired: Any) -> None:
    """Another port would not do."""
    harness = await new_harness("P21", backends=["natpmp"])
    entry = await harness.open(desired())
    assert entry.state is MappingState.REFUSED
    assert harness.ports() == set()


async def test_p22_a_lease_of_no_time_is_a_failure(new_harness: Any, desired: Any) -> None:
    """The reason is told, and the next protocol is used."""
    harness = await new_harness("P22", backends=["pcp"])
    entry = await harness.open(desired())
    assert "0 seconds" in str(entry.refusal)
    other = await new_harness("P22", backends=BOTH)
    assert (await other.open(desired())).lease.backend == "natpmp"


async def test_p23_an_internal_port_of_0_names_the_requested_one(new_harness: Any, desired: Any) -> None:
    """VPN providers answer so."""
    harness = await new_harness("P23", backends=["natpmp"])
    await harness.opens(desired())
    await harness.close_all()
