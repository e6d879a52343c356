"""Abuse of the probe server on the WAN host: whatever comes in, it sends nothing to a third party.

The attacker is the host of the gateway, 11.22.33.1.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from netlab.capture import Capture
from netlab.lab import WAN_GATEWAY, WAN_HOST, Lab
from netlab.namespaces import Namespace
from netlab.outside import PROBE_PORT, dropping, probe_server, rules

from portmapper.probe.wire import order_datagram

THIRD_PARTY, BROADCAST, MULTICAST = "11.22.33.77", "11.22.33.255", "224.0.0.1"
FORGED = (THIRD_PARTY, BROADCAST, "255.255.255.255", MULTICAST, "127.0.0.1", WAN_HOST)
NAMES = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "CF-Connecting-IP", "Origin", "Location")
TARGET = 8112


@pytest.fixture
def attacker(lab: Lab, tmp_path: Path) -> Iterator[Namespace]:
    """A host that reaches a probe server and may forge source addresses."""
    forged = ", ".join(FORGED)
    # Otherwise, the gateway would translate them.
    untracked = dropping("output", f"ip saddr {{ {forged} }}", "notrack")
    with (
        probe_server(lab.wan, tmp_path, WAN_HOST),
        rules(lab.router, untracked.replace("priority -5", "priority -300"), "inet lab"),
    ):
        yield lab.router


def request(ports: Sequence[Any], headers: str = "", **more: Any) -> bytes:
    """Return a request as the wire has it."""
    body = json.dumps({"ports": ports, **more})
    head = (
        f"POST /v1/probe HTTP/1.1\r\nHost: {THIRD_PARTY}:80\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def row(protocol: str) -> dict[str, Any]:
    """Return a port of a request."""
    return {"port": TARGET, "protocol": protocol, "nonce": "00" * 16}


@contextlib.contextmanager
def connected(attacker: Namespace) -> Iterator[socket.socket]:
    """Connect to the server."""
    with attacker.socket(socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect((WAN_HOST, PROBE_PORT))
        yield client


def rest_of(client: socket.socket) -> bytes:
    """Return all until the server closes the connection."""
    answer = b""
    while part := client.recv(65536):
        answer += part
    return answer


def forge(attacker: Namespace, source: str, payload: bytes) -> None:
    """Send a datagram to the server with another host's address as its source."""
    udp = struct.pack("!HHHH", TARGET, PROBE_PORT, 8 + len(payload), 0) + payload
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 64, socket.IPPROTO_UDP, 0)
    packet = header + socket.inet_aton(source) + socket.inet_aton(WAN_HOST) + udp
    with attacker._entered():
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    with raw:
        raw.sendto(packet, (WAN_HOST, PROBE_PORT))


def test_no_packet_goes_to_a_forged_address(lab: Lab, attacker: Namespace) -> None:
    """Not with forged headers, and not with a valid cookie from a forged address."""
    headers = "".join(f"{name}: {THIRD_PARTY}\r\n" for name in NAMES)
    with Capture(lab.wan) as capture, connected(attacker) as client:
        client.sendall(request([row("TCP"), row("UDP")], headers))
        answer = b""
        while b'"cookie": "' not in answer or not answer.endswith(b"\n"):
            answer += client.recv(65536)
        greeting = json.loads(next(line for line in answer.splitlines() if b'"cookie"' in line))
        assert greeting["peer"] == WAN_GATEWAY
        session, cookie = (bytes.fromhex(greeting[key]) for key in ("session", "cookie"))
        for source in FORGED:
            forge(attacker, source, order_datagram(session, cookie, TARGET))
            forge(attacker, source, b"x" * 1400)
        answer += rest_of(client)
    assert b'"result": "not-ordered"' in answer
    assert {packet.target for packet in capture.sent} == {WAN_GATEWAY}
    assert [packet for packet in capture.sent if packet.protocol == socket.IPPROTO_UDP] == []
    arrived = Counter(packet.source for packet in capture.received)
    assert all(arrived[source] >= 2 for source in FORGED), arrived


def test_an_order_causes_one_smaller_datagram(lab: Lab, attacker: Namespace) -> None:
    """So the server amplifies nothing, also for a client with a cookie."""
    with Capture(lab.wan) as capture, connected(attacker) as client:
        client.sendall(request([row("UDP")]))
        answer = client.recv(65536)
        while b'"cookie"' not in answer:
            answer += client.recv(65536)
        greeting = json.loads(next(line for line in answer.splitlines() if b'"cookie"' in line))
        session, cookie = (bytes.fromhex(greeting[key]) for key in ("session", "cookie"))
        with attacker.socket(socket.SOCK_DGRAM) as orders:
            for _ in range(100):
                orders.sendto(order_datagram(session, cookie, TARGET), (WAN_HOST, PROBE_PORT))
        rest_of(client)
    sent = [packet for packet in capture.sent if packet.protocol == socket.IPPROTO_UDP]
    ordered = [packet for packet in capture.received if packet.protocol == socket.IPPROTO_UDP]
    assert len(ordered) == 100
    assert 1 <= len(sent) <= 3
    assert max(packet.size for packet in sent) < min(packet.size for packet in ordered)
    assert {(packet.target, packet.port) for packet in sent} == {(WAN_GATEWAY, TARGET)}


@pytest.mark.parametrize(
    "attempt",
    [
        request([row("TCP")], address=THIRD_PARTY),
        request([{**row("TCP"), "address": THIRD_PARTY}]),
        request(["1-65535"]),
        request([row("TCP")] * 2),
        *(request([{**row("TCP"), "port": port}]) for port in (0, 65536, -1, "80", 8112.0, None)),
        request([row("TCP")]).replace(b"POST /v1/probe", b"POST http://" + THIRD_PARTY.encode() + b":80/"),
        request([row("TCP")]).replace(b"POST /v1/probe", b"CONNECT " + THIRD_PARTY.encode() + b":80"),
        b"\x16\x03\x01" + b"\0" * 500,
        b"A" * 100_000,
    ],
)
def test_an_invalid_request_causes_no_connection(lab: Lab, attacker: Namespace, attempt: bytes) -> None:
    """Not even to the client."""
    with Capture(lab.wan) as capture, connected(attacker) as client, contextlib.suppress(ConnectionError):
        client.sendall(attempt)
        client.shutdown(socket.SHUT_WR)
        assert not rest_of(client).startswith(b"HTTP/1.1 200")
    assert {packet.target for packet in capture.sent} <= {WAN_GATEWAY}
    assert not any(packet.is_first for packet in capture.sent)


def storm(attacker: Namespace, number: int) -> Counter[bytes]:
    """Send requests one after another, as fast as the server takes them; return how many got which status."""
    statuses = Counter[bytes]()
    while statuses.total() < number:
        with connected(attacker) as client, client.makefile("rb") as answers:
            while statuses.total() < number:
                client.sendall(request([row("TCP")]))
                statuses[answers.readline()[9:12]] += 1
                if not skip_rest(answers):
                    break
    return statuses


def skip_rest(answers: IO[bytes]) -> bool:
    """Skip headers and body of an answer; return whether the connection stays open."""
    length = 0
    while (line := answers.readline()).strip():
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    answers.read(length)
    return length > 0


def test_ten_thousand_requests_cause_few_connections(lab: Lab, attacker: Namespace) -> None:
    """All of them to the host that asked."""
    with Capture(lab.wan) as capture:
        statuses = storm(attacker, 10_000)
    assert statuses[b"200"] + statuses[b"429"] == 10_000
    first = [packet for packet in capture.sent if packet.is_first]
    assert {packet.target for packet in capture.sent} == {WAN_GATEWAY}
    assert {packet.port for packet in first} == {TARGET}
    assert len(first) <= 100
