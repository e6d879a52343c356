"""Finds the requests that change a gateway among the packets on its LAN."""

from __future__ import annotations

import contextlib
import dataclasses
import socket
import time

from netlab.background import Background
from netlab.namespaces import Namespace

ETH_P_ALL = 3
PCP_MAP, NATPMP_MAPS = 1, (1, 2)
PCP_NONCE = slice(24, 36)
PCP_PORT = slice(36, 42)
"""Protocol, three reserved bytes and the internal port."""


def changes_gateway(packet: bytes) -> bool:
    """Return whether an Ethernet frame is a request that changes a gateway."""
    if packet[12:14] != b"\x08\x00":
        return False
    if packet[23] == socket.IPPROTO_UDP:
        payload = _payload(packet)
        pcp = payload[:1] == b"\x02" and payload[1:2] == bytes([PCP_MAP])
        natpmp = payload[:1] == b"\0" and payload[1:2] in [bytes([kind]) for kind in NATPMP_MAPS]
        return _is_for_server(packet) and (pcp or natpmp)
    return b"AddPortMapping" in packet or b"AddAnyPortMapping" in packet or b"DeletePortMapping" in packet


def _header(packet: bytes) -> int:
    return 14 + 4 * (packet[14] & 15)


def _is_for_server(packet: bytes) -> bool:
    start = _header(packet)
    return int.from_bytes(packet[start + 2 : start + 4], "big") == 5351


def _payload(packet: bytes) -> bytes:
    return packet[_header(packet) + 8 :]


@dataclasses.dataclass(frozen=True)
class Change:
    """One request.

    Attributes:
        at: time on the monotonic clock.
        sender: MAC address of the host.
        port: protocol and internal port; empty if it is not PCP.
        nonce: the nonce of PCP; empty for another protocol.
    """

    at: float
    sender: str
    port: bytes = b""
    nonce: bytes = b""

    @classmethod
    def of(cls, packet: bytes) -> Change:
        """Return the request in an Ethernet frame."""
        payload, sender = _payload(packet), packet[6:12].hex(":")
        is_pcp = packet[23] == socket.IPPROTO_UDP and payload[:1] == b"\x02"
        return cls(time.monotonic(), sender, *((payload[PCP_PORT], payload[PCP_NONCE]) if is_pcp else ()))


class ChangeLog(Background):
    """Context that records the requests which arrive at an interface of the gateway.

    Attributes:
        changes: what arrived so far.
    """

    def __init__(self, router: Namespace, interface: str = "lan0") -> None:
        self.changes: list[Change] = []
        self._socket = router.socket(socket.SOCK_RAW, socket.AF_PACKET)
        self._socket.bind((interface, ETH_P_ALL))
        self._socket.settimeout(0.05)
        super().__init__("change log")

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def senders(self, begin: float, end: float) -> set[str]:
        """Return the hosts that sent a request between two times."""
        return {change.sender for change in self.changes if begin <= change.at < end}

    def nonces(self) -> dict[bytes, set[bytes]]:
        """Return the nonces of each internal port, over PCP."""
        found: dict[bytes, set[bytes]] = {}
        for change in self.changes:
            if change.nonce:
                found.setdefault(change.port, set()).add(change.nonce)
        return found

    def work(self) -> None:
        """Record requests until the context ends."""
        while not self.stopping.is_set():
            with contextlib.suppress(TimeoutError):
                packet, origin = self._socket.recvfrom(65535)
                if origin[2] != socket.PACKET_OUTGOING and changes_gateway(packet):
                    self.changes.append(Change.of(packet))
