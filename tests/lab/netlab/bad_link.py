"""Link that delays, duplicates and reorders frames; not every kernel has `tc netem`."""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import random
import select
import socket
import struct
import time

from netlab.background import Background
from netlab.namespaces import Namespace, Topology, cable

DELAY = 0.3
JITTER = 0.02
"""Seconds; frames within this time of each other can be reordered."""

DUPLICATE_SHARE = 1 / 3
LONGEST_FRAME = 65536
ETH_P_ALL = 3
SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1F, 0x24, 0x2C)
"""ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, which a relay of frames cannot emulate."""


class BadLink(Background):
    """Context in which a host is connected to a gateway's bridge over a bad link."""

    def __init__(
        self, topology: Topology, router: Namespace, host: Namespace, address: str, gateway: str
    ) -> None:
        link = topology.add("link")
        cable(router, "port-far", link, "near")
        router.ip("link", "set", "port-far", "master", "lan0")
        cable(link, "far", host, "eth0")
        for namespace, interface in ((router, "port-far"), (link, "near"), (link, "far"), (host, "eth0")):
            _disable_offloads(namespace, interface)
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("route", "add", "default", "via", gateway)
        self._ends = [_tap(link, "near"), _tap(link, "far")]
        self._delayed: list[tuple[float, int, socket.socket, bytes]] = []
        self._order = itertools.count()
        self._chance = random.Random(300)
        super().__init__("bad link")

    def close(self) -> None:
        """Close the sockets."""
        for end in self._ends:
            end.close()

    def work(self) -> None:
        """Relay frames until the context ends."""
        while not self.stopping.is_set():
            wait = self._delayed[0][0] - time.monotonic() if self._delayed else 0.1
            for end in select.select(self._ends, [], [], max(0.0, min(wait, 0.1)))[0]:
                self._take(end)
            while self._delayed and self._delayed[0][0] <= time.monotonic():
                _, _, out, frame = heapq.heappop(self._delayed)
                with contextlib.suppress(OSError):
                    out.send(frame)

    def _take(self, end: socket.socket) -> None:
        frame, where = end.recvfrom(LONGEST_FRAME)
        if where[2] == socket.PACKET_OUTGOING:
            return
        other = self._ends[1 - self._ends.index(end)]
        for _ in range(2 if self._chance.random() < DUPLICATE_SHARE else 1):
            due = time.monotonic() + DELAY + self._chance.uniform(0, JITTER)
            heapq.heappush(self._delayed, (due, next(self._order), other, frame))


def _tap(namespace: Namespace, interface: str) -> socket.socket:
    tap = namespace.socket(socket.SOCK_RAW, socket.AF_PACKET)
    tap.bind((interface, ETH_P_ALL))
    # PACKET_MR_PROMISC, because the frames are addressed to other hosts.
    index = _index(tap, interface)
    tap.setsockopt(263, 1, struct.pack("iHH8s", index, 1, 0, b""))
    return tap


def _index(tap: socket.socket, interface: str) -> int:
    request = struct.pack("16si20x", interface.encode(), 0)
    index: int = struct.unpack("16si20x", fcntl.ioctl(tap, 0x8933, request))[1]
    return index


def _disable_offloads(namespace: Namespace, interface: str) -> None:
    import ctypes

    with namespace.socket(socket.SOCK_DGRAM) as control:
        for offload in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", offload, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            with contextlib.suppress(OSError):
                fcntl.ioctl(control, SIOCETHTOOL, request)
