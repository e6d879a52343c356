"""Captures what a host sends and receives, before a firewall and before it can get lost on the way."""

from __future__ import annotations

import socket
import struct

from netlab.background import Background
from netlab.namespaces import Namespace

ETH_P_ALL, ETH_P_IP, ETH_P_ARP = 0x0003, 0x0800, 0x0806
PACKET_OUTGOING = 4
SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_RCVBUFFORCE = 33
BUFFER = 32 << 20
HEADERS = 64
WAIT = 0.1
SYN, SYN_ACK = 0x02, 0x12


class Packet:
    """The headers of an IPv4 packet, or of an ARP packet with the address that it looks for.

    Attributes:
        is_sent: the host sent it.
        source: the source address.
        target: the destination, or the wanted address.
        protocol: number of the IP protocol; 0 for ARP.
        size: bytes of the IP packet.
        port: the destination port of TCP and UDP.
        is_first: it opens a TCP connection.
    """

    def __init__(self, data: bytes, kind: int, *, is_sent: bool) -> None:
        self.is_sent = is_sent
        is_arp = kind == ETH_P_ARP
        self.source = socket.inet_ntoa(data[14:18] if is_arp else data[12:16])
        self.target = socket.inet_ntoa(data[24:28] if is_arp else data[16:20])
        self.protocol = 0 if is_arp else data[9]
        self.size = 0 if is_arp else int.from_bytes(data[2:4], "big")
        start = (data[0] & 15) * 4
        has_ports = self.protocol in (socket.IPPROTO_TCP, socket.IPPROTO_UDP)
        self.port = int.from_bytes(data[start + 2 : start + 4], "big") if has_ports else 0
        self.is_first = self.protocol == socket.IPPROTO_TCP and data[start + 13] & SYN_ACK == SYN


class Capture(Background):
    """Collects the IPv4 and ARP packets of all cables of a host inside the context.

    Attributes:
        packets: the packets, in order; complete after the context.
    """

    def __init__(self, host: Namespace) -> None:
        self.packets: list[Packet] = []
        with host._entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._socket.settimeout(WAIT)
        super().__init__("capture")

    @property
    def sent(self) -> list[Packet]:
        """The packets that the host sent."""
        return [packet for packet in self.packets if packet.is_sent]

    @property
    def received(self) -> list[Packet]:
        """The packets that came to the host."""
        return [packet for packet in self.packets if not packet.is_sent]

    def close(self) -> None:
        """Close the socket, and check that no packet was missed."""
        statistics = self._socket.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8)
        self._socket.close()
        _, dropped = struct.unpack("II", statistics)
        assert dropped == 0, f"the capture missed {dropped} packets"

    def work(self) -> None:
        """Collect packets until the context ends and no more wait."""
        while True:
            try:
                data, (interface, kind, mark, *_) = self._socket.recvfrom(HEADERS)
            except TimeoutError:
                if self.stopping.is_set():
                    return
                continue
            if kind in (ETH_P_IP, ETH_P_ARP) and interface != "lo":
                self.packets.append(Packet(data, kind, is_sent=mark == PACKET_OUTGOING))
