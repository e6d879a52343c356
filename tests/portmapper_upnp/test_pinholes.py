"""IPv6 pinholes over WANIPv6FirewallControl:1, with the answers of miniupnpd 2.3.1 and of the standard."""

from __future__ import annotations

import asyncio
import ipaddress
from types import SimpleNamespace

import attrs
import pytest

from portmapper.api.backend import GatewayEvent, Target
from portmapper.api.errors import BackendError, NetworkFailure, NoResources, NotAuthorized, Unsupported
from portmapper.api.model import Protocol
from portmapper_upnp.backend import IgdBackend
from portmapper_upnp.endpoint import Endpoint
from portmapper_upnp.factory import connect
from portmapper_upnp.requester import open_session

ME = ipaddress.ip_address("::1")
OTHER = ipaddress.ip_address("2001:db8::7")


class Firewall:
    """A firewall that numbers its pinholes from 1, as miniupnpd does after each restart.

    Attributes:
        pinholes: id to protocol, address, port and lease time.
        unknown: the error for an unknown id.
    """

    def __init__(self) -> None:
        self.pinholes: dict[str, tuple[str, ...]] = {}
        self.unknown = 704
        self.status = {"FirewallEnabled": "1", "InboundPinholeAllowed": "1"}

    def add(self, requested: dict[str, str]) -> dict[str, str]:
        """Open a pinhole, or renew the existing one."""
        hole = (requested["Protocol"], requested["InternalClient"], requested["InternalPort"])
        number = next((n for n, known in self.pinholes.items() if known[:3] == hole), None)
        number = number or str(len(self.pinholes) + 1)
        self.pinholes[number] = (*hole, requested["LeaseTime"])
        return {"UniqueID": number}

    def update(self, requested: dict[str, str]) -> dict[str, str] | int:
        """Renew a pinhole."""
        if requested["UniqueID"] not in self.pinholes:
            return self.unknown
        hole = self.pinholes[requested["UniqueID"]]
        self.pinholes[requested["UniqueID"]] = (*hole[:3], requested["NewLeaseTime"])
        return {}

    def delete(self, requested: dict[str, str]) -> dict[str, str] | int:
        """Close a pinhole."""
        return {} if self.pinholes.pop(requested["UniqueID"], None) else self.unknown

    def packets(self, requested: dict[str, str]) -> dict[str, str] | int:
        """Count packets."""
        return {"PinholePackets": "0"} if requested["UniqueID"] in self.pinholes else self.unknown


@pytest.fixture
async def firewall(router, build):
    """Turn the router into a firewall on IPv6 loopback."""
    firewall = Firewall()
    router.description = build.description(
        build.service("WANIPConnection:2"), build.service("WANIPv6FirewallControl:1", "/fw"), version=2
    )
    router.more = {
        "GetFirewallStatus": lambda _: firewall.status,
        "AddPinhole": firewall.add,
        "UpdatePinhole": firewall.update,
        "DeletePinhole": firewall.delete,
        "GetPinholePackets": firewall.packets,
    }
    try:
        server = await asyncio.start_server(router.serve, "::1", 0)
    except OSError:
        pytest.skip("this host has no IPv6")
    firewall.location = f"http://[::1]:{server.sockets[0].getsockname()[1]}/desc.xml"
    yield firewall
    server.close()
    await server.wait_closed()


@pytest.fixture
async def gateway(firewall):
    """Connect to the firewall."""
    async with open_session(ME) as session:
        yield await connect(session, Endpoint(firewall.location, ME, ME))


@pytest.fixture
def desired(request_for):
    """Return a function that builds a request for this host's port 80, by default for TCP."""
    return lambda **changes: request_for(**{"internal_address": ME, **changes})


async def test_a_pinhole_is_opened_for_any_remote_host(router, firewall, gateway, desired):
    """With the number of the protocol, from any host and port; external equals internal."""
    lease = await gateway.map(desired(lifetime=600))
    assert list(router.named("AddPinhole")[0].items()) == [
        ("RemoteHost", ""),
        ("RemotePort", "0"),
        ("InternalClient", "::1"),
        ("InternalPort", "80"),
        ("Protocol", "6"),
        ("LeaseTime", "600"),
    ]
    assert (lease.private, lease.lifetime, lease.permanent) == ("1", 600, False)
    assert (lease.external_address, lease.external_port) == (ME, 80)
    udp = await gateway.map(desired(protocol=Protocol.UDP))
    assert firewall.pinholes[udp.private][0] == "17"


@pytest.mark.parametrize(
    ("requested", "granted"), [(0, 86_400), (1, 1), (86_400, 86_400), (4_000_000_000, 86_400)]
)
async def test_the_lease_time_is_within_the_standards_limits(firewall, gateway, desired, requested, granted):
    """There are no permanent pinholes: the longest lease is a day."""
    lease = await gateway.map(desired(lifetime=requested))
    assert (lease.lifetime, lease.permanent) == (granted, False)
    assert firewall.pinholes["1"][3] == str(granted)


async def test_a_renewal_updates_in_place(router, firewall, gateway, desired):
    """One call, and the same id."""
    lease = await gateway.map(desired(lifetime=600))
    router.calls.clear()
    renewed = await gateway.map(desired(lifetime=700, held=lease))
    assert [action for action, _ in router.calls] == ["UpdatePinhole"]
    assert renewed.private == lease.private
    assert firewall.pinholes["1"][3] == "700"


@pytest.mark.parametrize("unknown", [704, 402, 606])
async def test_a_pinhole_that_was_forgotten_is_opened_again(router, firewall, gateway, desired, unknown):
    """By the standard's code, by miniupnpd's, and by the one for an id of another host."""
    lease = await gateway.map(desired())
    firewall.pinholes.clear()
    firewall.unknown = unknown
    assert not await gateway.holds(lease)
    assert (await gateway.map(desired(held=lease))).private == "1"
    assert len(router.named("AddPinhole")) == 2


async def test_ids_that_are_reused_after_a_restart_are_not_mixed_up(firewall, gateway, desired):
    """The second pinhole gets the first one's id, and neither is mistaken for the other."""
    web = await gateway.map(desired())
    dns = await gateway.map(desired(internal_port=53))
    firewall.pinholes.clear()
    renewed_dns = await gateway.map(desired(internal_port=53, held=dns))
    assert renewed_dns.private == web.private == "1"
    assert not await gateway.holds(web)
    renewed_web = await gateway.map(desired(held=web))
    assert renewed_web.private == "2"
    assert {hole[2] for hole in firewall.pinholes.values()} == {"53", "80"}
    await gateway.unmap(renewed_dns)
    assert {hole[2] for hole in firewall.pinholes.values()} == {"80"}


async def test_an_id_of_an_earlier_run_is_not_trusted(router, firewall, gateway, desired):
    """It may belong to another pinhole now: closing must close ours and no other."""
    firewall.pinholes["1"] = ("6", "::1", "22", "600")
    firewall.pinholes["2"] = ("6", "::1", "80", "600")
    lease = attrs.evolve(await gateway.map(desired(internal_port=22)), internal_port=80, external_port=80)
    router.calls.clear()
    await gateway.unmap(lease)
    assert set(firewall.pinholes) == {"1"}
    assert router.named("DeletePinhole") == [{"UniqueID": "2"}]


async def test_an_announced_restart_forgets_every_id(router, firewall, gateway, desired):
    """Afterwards AddPinhole is called for each."""
    events: list[GatewayEvent] = []
    gateway._announcements = SimpleNamespace(listen=_listen_to(events), close=lambda: None)
    await gateway.watch(events.append)
    lease = await gateway.map(desired())
    events.pop()(GatewayEvent.RESTARTED)
    assert events == [GatewayEvent.RESTARTED]
    await gateway.map(desired(held=lease))
    assert not router.named("UpdatePinhole")
    await gateway.close()


def _listen_to(events):
    async def listen(notify):
        events.append(notify)

    return listen


async def test_a_missing_pinhole_counts_as_closed(firewall, gateway, desired):
    """With each code that gateways use."""
    lease = await gateway.map(desired())
    firewall.pinholes.clear()
    firewall.unknown = 402
    await gateway.unmap(lease)


@pytest.mark.parametrize(
    ("faults", "held"),
    [
        ({}, True),
        ({"GetPinholePackets": 401}, True),
        ({"GetPinholePackets": 602, "CheckPinholeWorking": 709}, True),
        ({"GetPinholePackets": 602, "CheckPinholeWorking": 704}, False),
        ({"GetPinholePackets": 704}, False),
    ],
)
async def test_holds_queries_the_gateway(router, gateway, desired, faults, held):
    """With the actions it has; a pinhole without any packet yet counts as open."""
    lease = await gateway.map(desired())
    router.faults.update(faults)
    assert await gateway.holds(lease) is held


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        ({"FirewallEnabled": "1", "InboundPinholeAllowed": "0"}, NotAuthorized, "in its settings"),
        ({"FirewallEnabled": "0", "InboundPinholeAllowed": "1"}, Unsupported, "firewall is off"),
    ],
)
async def test_a_gateway_that_allows_no_pinholes_gets_no_request(
    router, firewall, gateway, desired, status, kind, words
):
    """Its status is queried again the next time, because the owner may have changed it."""
    firewall.status = status
    with pytest.raises(kind, match=words):
        await gateway.map(desired())
    assert not router.named("AddPinhole")
    firewall.status = {"FirewallEnabled": "1", "InboundPinholeAllowed": "1"}
    assert (await gateway.map(desired())).private == "1"


async def test_a_gateway_without_a_status_is_tried(router, gateway, desired):
    """Some have no such action."""
    router.faults["GetFirewallStatus"] = 401
    assert (await gateway.map(desired())).private == "1"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (606, NotAuthorized),
        (701, NoResources),
        (702, Unsupported),
        (703, NotAuthorized),
        (704, NetworkFailure),
        (705, Unsupported),
        (706, Unsupported),
        (707, Unsupported),
        (708, Unsupported),
        (709, NetworkFailure),
    ],
)
async def test_each_refusal_has_its_type(router, gateway, desired, code, kind):
    """With the gateway's code and words."""
    router.faults["AddPinhole"] = code
    with pytest.raises(kind, match="the words of the router") as refusal:
        await gateway.map(desired())
    assert refusal.value.code == code


async def test_another_host_must_send_its_own_request(router, gateway, desired):
    """In secure mode; without it, the pinhole is opened."""
    assert (await gateway.map(desired(internal_address=OTHER))).internal_address == OTHER
    router.faults["AddPinhole"] = 606
    with pytest.raises(NotAuthorized, match=f"only from {OTHER} itself: run portmapper there"):
        await gateway.map(desired(internal_address=OTHER, internal_port=81))


@pytest.mark.parametrize("number", ["", "-1", "one", "9" * 11, "\u0661"])
async def test_an_invalid_id_is_refused(router, gateway, desired, number):
    """Such a pinhole could not be renewed."""
    router.more["AddPinhole"] = lambda _: {"UniqueID": number}
    with pytest.raises(NetworkFailure, match="returned no valid id"):
        await gateway.map(desired())


async def test_an_ipv4_request_is_not_for_a_firewall(gateway, request_for):
    """And a pinhole is not for a port mapping."""
    with pytest.raises(Unsupported):
        await gateway.map(request_for())


async def test_the_url_of_a_gateway_may_be_ipv6(firewall):
    """The gateway at that URL opens pinholes."""
    backend = IgdBackend()
    target = Target(ME, gateway=ME, url=firewall.location, chosen=True)
    found = [gateway async for gateway in backend.discover(target)]
    await backend.close()
    assert [(gateway.identity, gateway.protocol) for gateway in found] == [("upnp:::1", "IGD 2")]
    assert await found[0].external_address() is None


async def test_a_gateway_without_a_firewall_control_is_unsupported(router, firewall, build):
    """It maps ports over IPv4 only."""
    router.description = build.description(build.service("WANIPConnection:2"))
    async with open_session(ME) as session:
        with pytest.raises(BackendError, match="no IPv6 firewall control"):
            await connect(session, Endpoint(firewall.location, ME, ME))
