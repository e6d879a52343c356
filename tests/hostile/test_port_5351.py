"""An attacker forges PCP and NAT-PMP packets with its own address and with the gateway's."""

from __future__ import annotations

import random
import re
import struct
import time
from typing import Any

import pytest

GATEWAY, ATTACKER, LAN_HOST = "192.168.88.1", "192.168.88.66", "192.168.88.2"
ANNOUNCEMENTS = ("224.0.0.1", 5350)
FLOOD = 4.0
EXTERNAL_ADDRESS = bytes([6, 6, 6, 6])


def epoch() -> int:
    """Return a random epoch."""
    return random.choice([0, 1, random.randrange(100), random.randrange(2**32)])


def announcement(number: int) -> bytes:
    """Return an announcement of a restart by PCP or NAT-PMP."""
    if number % 2:
        return struct.pack("!BBBBII12x", 2, 128, 0, 0, 0, epoch())
    return struct.pack("!BBHI", 0, 128, 0, epoch()) + EXTERNAL_ADDRESS


def reply(number: int) -> bytes:
    """Return a reply of PCP or NAT-PMP that grants port 6666 or refuses."""
    port = random.choice([8080, 8081])
    if number % 3 == 0:
        return struct.pack("!BBHIHHI", 0, 130, 0, epoch(), port, 6666, 60)
    if number % 3 == 1:
        header = struct.pack("!BBBBII12x", 2, 129, 0, random.choice([0, 2, 8, 12]), 7200, epoch())
        address = bytes(10) + b"\xff\xff" + EXTERNAL_ADDRESS
        return header + struct.pack("!12sB3xHH16s", random.randbytes(12), 6, port, 6666, address)
    return bytes([random.randrange(3), 128 + random.randrange(3), 0, 1]) + random.randbytes(8)


def udp_ports(attack: Any) -> list[int]:
    """Return the UDP ports of the LAN host, as if the attacker knew them."""
    output = attack.lab.lan.run("ss", "-Huan")
    return sorted({int(port) for port in re.findall(rf"{re.escape(LAN_HOST)}:(\d+)", output)})


@pytest.mark.parametrize("backend", ["pcp", "natpmp"])
def test_forged_announcements_change_nothing(attack: Any, spoof: Any, backend: str) -> None:
    """The gateway's own answer decides, and not every announcement causes a query."""

    def packets(number: int) -> tuple[bytes, str]:
        source = GATEWAY if number % 2 else ATTACKER
        return spoof((source, 5351), ANNOUNCEMENTS, announcement(number // 2)), ANNOUNCEMENTS[0]

    with attack.daemon("--backend", backend) as running:
        before = attack.measure(running)
        sent = attack.flood(FLOOD, packets)
        time.sleep(1)
        print(f"\n{sent} announcements in {FLOOD:.0f} s")
        after = attack.check(running, before, f"announcements over {backend}", lines=12)
        assert after.cpu - before.cpu < FLOOD / 2


@pytest.mark.parametrize("backend", ["pcp", "natpmp"])
def test_forged_replies_open_no_other_port(attack: Any, spoof: Any, backend: str) -> None:
    """They go to the socket that sends requests, with the gateway's address, during renewals."""

    def packets(number: int) -> tuple[bytes, str]:
        source = GATEWAY if number % 2 else ATTACKER
        data = reply(number // 2)
        if backend == "natpmp" and source == GATEWAY and data[:2] in (b"\0\x81", b"\0\x82"):
            data = data[:1] + b"\x83" + data[2:]  # NAT-PMP cannot detect a perfect forgery
        return spoof((source, 5351), (LAN_HOST, ports[number % len(ports)]), data), LAN_HOST

    with attack.daemon("--backend", backend) as running:
        before = attack.measure(running)
        ports = udp_ports(attack)
        assert ports
        sent = attack.flood(FLOOD, packets)
        time.sleep(1)
        print(f"\n{sent} replies in {FLOOD:.0f} s to ports {ports}")
        attack.check(running, before, f"replies over {backend}", lines=12)
        assert "6666" not in running.log
