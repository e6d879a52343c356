"""Tests of the lab itself with third-party clients."""

from __future__ import annotations

import socket
import time

import pytest
from netlab.firewalls import Rule
from netlab.gateway import IGD1_ONLY, IGD2_AND_PCP, UPNP_OFF, VARIANTS, Gateway, Variant
from netlab.lab import LAN_HOST, WAN_HOST, Lab
from netlab.models import MODEL
from netlab.namespaces import LabError, Topology, leftovers, run
from netlab.prober import Prober

PORT = 8080


def upnpc(lab: Lab, *arguments: str) -> str:
    """Run Debian's upnpc on the LAN host, without its two seconds of discovery."""
    return lab.lan.run("upnpc", "-u", lab.gateway.description_url, *arguments)


def description(lab: Lab) -> str:
    """Fetch the IGD description from the LAN host."""
    with lab.lan.socket(socket.SOCK_STREAM) as client:
        client.settimeout(5)
        client.connect((lab.gateway.lan_address, MODEL.http_port))
        client.sendall(b"GET /rootDesc.xml HTTP/1.0\r\n\r\n")
        with client.makefile("rb") as reply:
            return reply.read().decode()


def natpmpc(lab: Lab, *arguments: str) -> str:
    """Run Debian's natpmpc on the LAN host."""
    return lab.lan.run("natpmpc", *arguments)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.upnp], ids=lambda variant: variant.name)
def test_upnpc_opens_and_closes_a_port(lab: Lab, variant: Variant, protocol: str) -> None:
    """Over UPnP, the WAN host gets an answer only while the mapping exists."""
    lab.gateway.reset(variant)
    assert not lab.reaches(protocol, PORT)
    upnpc(lab, "-a", LAN_HOST, str(PORT), str(PORT), protocol, "600")
    assert lab.gateway.rules() == {Rule(protocol, PORT, LAN_HOST, PORT)}
    assert lab.reaches(protocol, PORT)
    upnpc(lab, "-d", str(PORT), protocol)
    assert lab.gateway.rules() == set()
    assert not lab.reaches(protocol, PORT)


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v.natpmp], ids=lambda variant: variant.name)
def test_natpmpc_opens_and_closes_a_port(lab: Lab, variant: Variant, protocol: str) -> None:
    """Over NAT-PMP, the WAN host gets an answer only while the mapping exists."""
    lab.gateway.reset(variant)
    assert not lab.reaches(protocol, PORT)
    natpmpc(lab, "-a", str(PORT), str(PORT), protocol.lower(), "600")
    assert lab.gateway.rules() == {Rule(protocol, PORT, LAN_HOST, PORT)}
    assert lab.reaches(protocol, PORT)
    natpmpc(lab, "-a", "0", str(PORT), protocol.lower(), "0")
    assert lab.gateway.rules() == set()
    assert not lab.reaches(protocol, PORT)


def test_upnpc_finds_the_gateway_by_multicast(lab: Lab) -> None:
    """SSDP multicast passes between the namespaces."""
    assert lab.gateway.description_url in lab.lan.run("upnpc", "-s")


def test_the_variants_differ(lab: Lab) -> None:
    """IGD v1 has its own description, and disabled protocols do not answer."""
    assert "device:InternetGatewayDevice:2" in description(lab)
    lab.gateway.reset(IGD1_ONLY)
    assert "device:InternetGatewayDevice:1" in description(lab)
    with pytest.raises(LabError, match="natpmpc"):
        natpmpc(lab)
    lab.gateway.reset(UPNP_OFF)
    with pytest.raises(LabError, match="upnpc"):
        upnpc(lab, "-s")


def test_an_answer_identifies_the_server_and_the_client(lab: Lab) -> None:
    """The answer contains the port and the peer, so that another server cannot be mistaken for it."""
    upnpc(lab, "-a", LAN_HOST, str(PORT), "8090", "TCP", "600")
    lab.servers.listen("TCP", PORT)
    assert lab.query_from_wan("TCP", 8090) == f"portmapper lab: TCP {PORT} hears {WAN_HOST}"
    assert lab.reaches("TCP", 8090, PORT)


def test_permission_rules_limit_the_ports(lab: Lab) -> None:
    """A denied port is refused, as with real routers."""
    lab.gateway.reset(Variant("narrow", rules=("allow 8000-8999 192.168.88.0/24 8000-8999",)))
    with pytest.raises(LabError, match="upnpc"):
        upnpc(lab, "-a", LAN_HOST, "9000", "9000", "TCP", "600")
    upnpc(lab, "-a", LAN_HOST, "8001", "8001", "TCP", "600")
    assert lab.gateway.rules() == {Rule("TCP", 8001, LAN_HOST, 8001)}


def test_in_secure_mode_a_host_maps_only_to_itself(lab: Lab) -> None:
    """Another host's address is refused in secure mode, and accepted without it."""
    with pytest.raises(LabError, match="upnpc"):
        upnpc(lab, "-a", "192.168.88.77", str(PORT), str(PORT), "TCP", "600")
    assert lab.gateway.rules() == set()
    lab.gateway.reset(Variant("open", secure=False))
    upnpc(lab, "-a", "192.168.88.77", str(PORT), str(PORT), "TCP", "600")
    assert lab.gateway.rules() == {Rule("TCP", PORT, "192.168.88.77", PORT)}


def test_a_restart_empties_the_table_and_a_stop_and_start_keeps_it(gateway: Gateway, lab: Lab) -> None:
    """The lease file restores mappings, unless it was deleted."""
    upnpc(lab, "-a", LAN_HOST, str(PORT), str(PORT), "TCP", "600")
    gateway.stop()
    gateway.start()
    assert len(gateway.lease_lines()) == 1
    assert lab.reaches("TCP", PORT)
    gateway.restart()
    assert gateway.lease_lines() == []
    assert gateway.rules() == set()
    assert not lab.reaches("TCP", PORT)


def test_miniupnpd_closes_the_newer_protocol_when_it_renews_the_older(lab: Lab) -> None:
    """miniupnpd finds the filter rule to replace by port, not by protocol.

    Seen with miniupnpd 2.3.1 on nftables over NAT-PMP and PCP: the redirect stays, but the packets are
    dropped until the newer one is renewed too. Renewing both in the order of opening closes the gap.
    """
    earlier, later = (("-a", str(PORT), str(PORT), protocol, "600") for protocol in ("tcp", "udp"))
    natpmpc(lab, *earlier)
    natpmpc(lab, *later)
    natpmpc(lab, *earlier)
    assert len(lab.gateway.rules()) == 2
    assert lab.reaches("TCP", PORT)
    assert not lab.reaches("UDP", PORT)
    natpmpc(lab, *later)
    assert lab.reaches("TCP", PORT)
    assert lab.reaches("UDP", PORT)


def test_a_second_host_can_join_the_lan(own_lab: Lab) -> None:
    """The gateway distinguishes the two hosts."""
    own_lab.gateway.reset(IGD2_AND_PCP)
    second = own_lab.add_lan_host("lan2", "192.168.88.3")
    second.run("natpmpc", "-a", str(PORT), str(PORT), "tcp", "600")
    assert own_lab.gateway.rules() == {Rule("TCP", PORT, "192.168.88.3", PORT)}


def test_the_prober_reports_one_outage(lab: Lab) -> None:
    """The outage lasts as long as the mapping is missing."""
    upnpc(lab, "-a", LAN_HOST, str(PORT), str(PORT), "TCP", "600")
    lab.servers.listen("TCP", PORT)
    with Prober(lambda: lab.query_from_wan("TCP", PORT)) as prober:
        _await_queries(prober, 3)
        assert prober.outages == []
        upnpc(lab, "-d", str(PORT), "TCP")
        _await_queries(prober, 3)
        upnpc(lab, "-a", LAN_HOST, str(PORT), str(PORT), "TCP", "600")
        _await_queries(prober, 3)
    assert len(prober.outages) == 1
    assert prober.outages[0].length > 0.1


def _await_queries(prober: Prober, number: int) -> None:
    goal = prober.requested + number
    deadline = time.monotonic() + 10
    while prober.requested < goal:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_lab_is_removed_after_a_failed_test(lab_can_run: None) -> None:
    """Namespaces and their processes are gone after an exception."""
    topology = Topology()
    with pytest.raises(LabError, match="false"), topology:
        _fail_beside_a_process(topology)
    assert topology.prefix not in run("ip", "netns", "list")


def _fail_beside_a_process(topology: Topology) -> None:
    host = topology.add("lan")
    host.run("sh", "-c", "sleep 600 >/dev/null 2>&1 &")
    assert len(host.pids()) == 1
    host.run("false")


def test_leftovers_are_namespaces_of_dead_owners() -> None:
    """Namespaces of running labs and of other programs are never removed."""
    topology_of_ours = f"{Topology().prefix}-lan"
    assert leftovers([topology_of_ours, "pm4194999-0a1b2c-gw", "vpn", "pm-lan"]) == ["pm4194999-0a1b2c-gw"]
