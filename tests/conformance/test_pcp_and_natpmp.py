"""P: what gateways do to PCP and NAT-PMP."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from portmapper.api.errors import NetworkFailure, NoResources, NotAuthorized, Unsupported
from portmapper.api.events import EventKind
from portmapper.api.model import ANY_PORT, ConflictPolicy, MappingState, Protocol
from portmapper_simulator.profiles import settings_of
from portmapper_simulator.quirks import QUIRKS

BOTH = ["pcp", "natpmp"]
FORGED = ["P1", *sorted(name for name in QUIRKS if name.startswith("P1-"))]
ANNOUNCEMENT_GROUP = ("224.0.0.1", 5350)


async def _failures(home: Any) -> Any:
    """Return why each backend found nothing, once the search is over."""
    search = home.scheduler.discovery.searches[0]
    await home.until(lambda: search.done, "searched")
    return search.failures


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("quirk", FORGED)
async def test_p1_a_reply_that_does_not_fit_is_ignored(
    house: Any, desired: Any, quirk: str, backend: str
) -> None:
    """What was granted is what the true reply says."""
    home = await house(quirk, backends=[backend])
    entry = await home.open(desired())
    assert (entry.state, entry.error) == (MappingState.ACTIVE, None)
    assert (entry.lease.external_port, entry.lease.lifetime) == (8080, 3600)
    assert home.ports() == {8080}


async def test_p1_a_reply_from_another_address_is_ignored(house: Any, desired: Any) -> None:
    """A stranger answers every request at once, from the right port of the wrong address."""
    home = await house("P7-delay", backends=["natpmp"])
    with socket.socket(type=socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.6", 0))
        opening = asyncio.create_task(home.open(desired()))
        while not opening.done():
            for gateway in home.scheduler.discovery.gateways:
                local = gateway._exchange._transport.get_extra_info("sockname")
                stranger.sendto(struct.pack("!BBHIHHI", 0, 130, 0, 9, 8080, 6666, 60), local)
            await asyncio.sleep(0.02)
    assert (await opening).lease.external_port == 8080


async def test_p2_version_0_is_nat_pmp(house: Any, desired: Any) -> None:
    """The short answer is read, and ends the search for PCP before a timeout does."""
    home = await house("P2", backends=BOTH)
    entry = await home.open(desired())
    assert entry.lease.backend == "natpmp"
    assert isinstance((await _failures(home))["pcp"], Unsupported)


async def test_p3_a_version_we_do_not_speak_is_no_pcp(house: Any, desired: Any) -> None:
    """Section 9: no version in common; the refusal is told and NAT-PMP asked."""
    home = await house("P3", backends=BOTH)
    entry = await home.open(desired())
    assert entry.lease.backend == "natpmp"
    assert "version" in str((await _failures(home))["pcp"])


async def test_p3_there_is_no_downgrade_without_cause(house: Any, desired: Any) -> None:
    """A gateway that speaks both keeps PCP, also when a stray packet of version 0 arrives."""
    home = await house(backends=BOTH)
    entry = await home.open(desired())
    assert entry.lease.backend == "pcp"
    for _ in range(3):
        await home.renew(entry)
    assert entry.lease.backend == "pcp"


async def test_p4_silence_to_pcp_does_not_hide_nat_pmp(house: Any, desired: Any) -> None:
    """NAT-PMP answers beside it."""
    home = await house("P4", backends=BOTH)
    assert (await home.open(desired())).lease.backend == "natpmp"


async def test_p5_a_refused_port_means_the_next_protocol_at_once(
    house: Any, desired: Any, free_port: Any
) -> None:
    """ICMP says that nobody is there, before a timeout does."""
    home = await house("P5", options={"chosen": (f"127.0.0.1:{free_port()}",)})
    assert (await home.open(desired())).lease.backend == "upnp"
    failures = await _failures(home)
    assert {type(failures[backend]) for backend in BOTH} == {NetworkFailure}


@pytest.mark.parametrize("backend", BOTH)
async def test_p6_what_was_granted_is_used(house: Any, desired: Any, backend: str) -> None:
    """Another port under `next`, a quarter of the lifetime."""
    home = await house("P6", backends=[backend])
    entry = await home.open(desired(conflict=ConflictPolicy.NEXT))
    assert (entry.lease.external_port, entry.lease.lifetime) == (9080, 900)
    assert home.ports() == {9080}


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize("policy", [ConflictPolicy.OWN, ConflictPolicy.FAIL])
async def test_p6_a_port_that_the_policy_forbids_is_given_back(
    house: Any, desired: Any, backend: str, policy: ConflictPolicy
) -> None:
    """And the mapping is a conflict."""
    home = await house("P6-port", backends=[backend])
    entry = await home.open(desired(conflict=policy))
    assert entry.state is MappingState.CONFLICT
    assert home.ports() == set()


@pytest.mark.parametrize("backend", BOTH)
@pytest.mark.parametrize(
    "quirks",
    [("P7",), ("P7-loss",), ("P7-duplicate",), ("P7-reorder",), ("P7-delay",), ("P7-loss", "P7-duplicate")],
)
async def test_p7_a_bad_network_makes_no_second_mapping(
    house: Any, desired: Any, backend: str, quirks: tuple[str, ...]
) -> None:
    """Every mapping comes, each once, and each with one nonce however often it was asked for."""
    home = await house(*quirks, backends=[backend])
    await home.open(*(desired(9000 + number) for number in range(5)))
    assert home.ports() == set(range(9000, 9005))
    nonces = {(details["internal_port"], details.get("nonce")) for details in home.requested("MAP")}
    assert len(nonces) == 5


async def test_p8_an_error_is_not_asked_about_before_its_time(house: Any, desired: Any) -> None:
    """Five seconds, says PCP."""
    home = await house("P8", backends=["pcp"])
    entry = await home.open(desired())
    ((_, error),) = entry.refusals
    assert isinstance(error, NoResources)
    assert error.retry_after == 5
    before = len(home.requested("MAP"))
    await asyncio.sleep(1)
    assert len(home.requested("MAP")) == before == 1
    assert entry.due - asyncio.get_running_loop().time() > 3.5


@pytest.mark.parametrize("backend", BOTH)
async def test_p9_no_external_address_is_reported(house: Any, desired: Any, backend: str) -> None:
    """NAT-PMP 3 and PCP 7."""
    home = await house("P9", backends=[backend])
    entry = await home.open(desired())
    ((_, error),) = entry.refusals
    assert isinstance(error, NetworkFailure)
    assert "external address" in entry.error


@pytest.mark.parametrize("quirk", ["", "P10", "P10-lag"])
@pytest.mark.parametrize("backend", BOTH)
async def test_p10_an_epoch_that_goes_back_renews_everything(
    house: Any, desired: Any, backend: str, quirk: str
) -> None:
    """Noticed at the next reply, though nothing was announced."""
    home = await house(backends=[backend])
    mappings = [desired(9000 + number) for number in range(4)]
    entry = await home.open(*mappings)
    await home.gateway.restart(announce=False)
    home.gateway.state.quirks.update(filter(None, [quirk]))
    await home.renew(entry)
    await home.until(lambda: home.ports() == set(range(9000, 9004)), "restored")
    assert EventKind.GATEWAY_RESTARTED in home.kinds()


@pytest.mark.parametrize("backend", BOTH)
async def test_p11_an_epoch_that_advances_means_nothing(house: Any, desired: Any, backend: str) -> None:
    """However many replies carry it."""
    home = await house(backends=[backend])
    entry = await home.open(desired(), desired(8081))
    await asyncio.sleep(1.1)
    await home.renew(entry)
    assert EventKind.GATEWAY_RESTARTED not in home.kinds()
    assert {details["internal_port"] for details in home.requested("MAP")} == {8080, 8081}


@pytest.mark.parametrize("backend", BOTH)
async def test_p12_an_announced_restart_renews_within_seconds(house: Any, desired: Any, backend: str) -> None:
    """Long before their half-life."""
    home = await house(backends=[backend])
    await home.open(*(desired(9000 + number) for number in range(4)))
    await home.gateway.restart()
    await home.until(lambda: len(home.ports()) == 4, "restored")
    assert EventKind.GATEWAY_RESTARTED in home.kinds()


@pytest.mark.parametrize("backend", BOTH)
async def test_p12_a_flood_of_strangers_announcements_changes_nothing(
    house: Any, desired: Any, backend: str
) -> None:
    """Thousands, with every epoch, from another address and from another port of the gateway's."""
    home = await house(backends=[backend])
    await home.open(desired())
    before = len(home.gateway.requests)
    for host in ("127.0.0.6", "127.0.0.1"):
        with socket.socket(type=socket.SOCK_DGRAM) as stranger:
            stranger.bind((host, 0))
            stranger.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(host))
            for epoch in range(1000):
                stranger.sendto(struct.pack("!BBBBII12x", 2, 128, 0, 0, 0, epoch), ANNOUNCEMENT_GROUP)
                stranger.sendto(struct.pack("!BBHI4B", 0, 128, 0, epoch, 6, 6, 6, 6), ANNOUNCEMENT_GROUP)
            await asyncio.sleep(0.4)
    assert len(home.gateway.requests) == before
    assert EventKind.GATEWAY_RESTARTED not in home.kinds()


async def test_p13_nat_pmp_deletes_one_protocol_with_lifetime_and_port_0(house: Any, desired: Any) -> None:
    """UDP of the same port stays."""
    home = await house(backends=["natpmp"])
    udp = desired(protocol=Protocol.UDP)
    await home.open(desired(), udp)
    await home.open(udp)
    await home.until(lambda: len(home.gateway.table) == 1, "released")
    (deletion,) = (requested for requested in home.requested("MAP") if requested["lifetime"] == 0)
    assert (deletion["external_port"], deletion["internal_port"]) == (0, 8080)
    assert deletion["protocol"] is Protocol.TCP


async def test_p13_pcp_deletes_with_the_nonce_of_the_mapping(house: Any, desired: Any) -> None:
    """The gateway would refuse any other."""
    home = await house(backends=["pcp"])
    await home.open(desired())
    await home.want()
    await home.until(lambda: not home.ports(), "released")
    first, *_, last = home.requested("MAP")
    assert (first["lifetime"], last["lifetime"]) == (3600, 0)
    assert first["nonce"] == last["nonce"]


async def test_p14_a_random_port_is_kept_alive_and_told_when_it_changes(
    start_gateway: Any, move_in: Any, desired: Any
) -> None:
    """As VPN providers grant it, for a minute."""
    profile = settings_of("vpn-natpmp")
    gateway = await start_gateway(*profile.quirks, protocols=profile.protocols)
    home = await move_in(gateway)
    entry = await home.open(desired(ANY_PORT, 8080))
    first = entry.lease.external_port
    assert (entry.lease.lifetime, home.ports()) == (60, {first})
    assert 20 < entry.due - asyncio.get_running_loop().time() < 40
    await home.renew(entry)
    assert entry.lease.external_port == first
    await gateway.restart()
    await home.until(lambda: entry.lease.external_port != first, "another port")
    told = [event for event in home.events if event.kind is EventKind.EXTERNAL_PORT_CHANGED]
    assert [event.external_port for event in told] == [entry.lease.external_port]


async def test_p15_a_concrete_port_is_always_suggested(house: Any, desired: Any) -> None:
    """Also when any will do."""
    home = await house("P15", backends=["natpmp"])
    entry = await home.open(desired(ANY_PORT, 8080))
    assert entry.state is MappingState.ACTIVE, entry.error
    assert home.requested("MAP")[0]["external_port"] == 8080


async def test_p16_not_authorized_moves_the_mapping_to_the_next_backend(house: Any, desired: Any) -> None:
    """PCP and NAT-PMP refuse, UPnP opens; alone it is a typed refusal."""
    home = await house("P16")
    assert (await home.open(desired())).lease.backend == "upnp"
    for backend in BOTH:
        alone = await house("P16", backends=[backend])
        entry = await alone.open(desired())
        ((_, error),) = entry.refusals
        assert isinstance(error, NotAuthorized)
        assert (error.code, entry.state) == (2, MappingState.REFUSED)


async def test_p17_address_mismatch_is_another_nat(house: Any, desired: Any) -> None:
    """And is said so."""
    home = await house("P17", backends=["pcp"])
    entry = await home.open(desired())
    ((_, error),) = entry.refusals
    assert isinstance(error, NetworkFailure)
    assert error.code == 12
    assert "another NAT" in entry.error
