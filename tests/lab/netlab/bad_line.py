"""A cable that delays, doubles and reorders every frame; `tc netem` is not in every kernel."""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import itertools
import random
import select
import socket
import struct
import threading
import time
from typing import Self

from netlab.namespaces import Namespace, Topology, cable

DELAY = 0.3
JITTER = 0.02
"""Seconds; frames that come closer together may overtake each other."""

DOUBLED = 1 / 3
LONGEST_FRAME = 65536
ETH_P_ALL = 3
SIOCETHTOOL = 0x8946
OFFLOADS = (0x17, 0x1F, 0x24, 0x2C)
"""ETHTOOL_STXCSUM, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO: what a relay of frames cannot make up for."""


class BadLine:
    """A host at the end of a bad cable to a gateway's bridge, while it is entered."""

    def __init__(
        self, topology: Topology, router: Namespace, host: Namespace, address: str, gateway: str
    ) -> None:
        line = topology.add("line")
        cable(router, "port-far", line, "near")
        router.ip("link", "set", "port-far", "master", "lan0")
        cable(line, "far", host, "eth0")
        for namespace, interface in ((router, "port-far"), (line, "near"), (line, "far"), (host, "eth0")):
            _switch_offloads_off(namespace, interface)
        host.ip("addr", "add", f"{address}/24", "dev", "eth0")
        host.ip("route", "add", "default", "via", gateway)
        self._ends = [_tap(line, "near"), _tap(line, "far")]
        self._late: list[tuple[float, int, socket.socket, bytes]] = []
        self._order = itertools.count()
        self._chance = random.Random(300)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._relay, name="bad line")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join()
        for end in self._ends:
            end.close()

    def _relay(self) -> None:
        while not self._stop.is_set():
            wait = self._late[0][0] - time.monotonic() if self._late else 0.1
            for end in select.select(self._ends, [], [], max(0.0, min(wait, 0.1)))[0]:
                self._take(end)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, out, frame = heapq.heappop(self._late)
                with contextlib.suppress(OSError):
                    out.send(frame)

    def _take(self, end: socket.socket) -> None:
        frame, where = end.recvfrom(LONGEST_FRAME)
        if where[2] == socket.PACKET_OUTGOING:
            return
        other = self._ends[1 - self._ends.index(end)]
        for _ in range(2 if self._chance.random() < DOUBLED else 1):
            due = time.monotonic() + DELAY + self._chance.uniform(0, JITTER)
            heapq.heappush(self._late, (due, next(self._order), other, frame))


def _tap(namespace: Namespace, interface: str) -> socket.socket:
    tap = namespace.socket(socket.SOCK_RAW, socket.AF_PACKET)
    tap.bind((interface, ETH_P_ALL))
    # PACKET_MR_PROMISC: the frames are for others.
    index = _index(tap, interface)
    tap.setsockopt(263, 1, struct.pack("iHH8s", index, 1, 0, b""))
    return tap


def _index(tap: socket.socket, interface: str) -> int:
    request = struct.pack("16si20x", interface.encode(), 0)
    index: int = struct.unpack("16si20x", fcntl.ioctl(tap, 0x8933, request))[1]
    return index


def _switch_offloads_off(namespace: Namespace, interface: str) -> None:
    import ctypes

    with namespace.socket(socket.SOCK_DGRAM) as control:
        for offload in OFFLOADS:
            value = ctypes.create_string_buffer(struct.pack("II", offload, 0))
            request = struct.pack("16sP16x", interface.encode(), ctypes.addressof(value))
            with contextlib.suppress(OSError):
                fcntl.ioctl(control, SIOCETHTOOL, request)
