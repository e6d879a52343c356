"""When the gateway opened a port, as its kernel reports it. A query of all rules would take longer."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import time
from collections.abc import Iterator

from netlab.lab import Lab

STARTING = 0.5
"""Seconds until `nft monitor` listens; it does not say so."""

LONGEST_CHANGE = 30.0
"""Seconds for one new port; more is a fault and not a slow machine."""

_CHUNK = 65536
_RULE = re.compile(rb"dport (\d+) dnat")


class OpenedPorts:
    """The ports that the gateway forwards, as soon as it does."""

    def __init__(self, monitor: subprocess.Popen[bytes]) -> None:
        self._monitor = monitor
        self._known: dict[int, float] = {}
        self._rest = b""

    def opened_at(self, port: int) -> float:
        """Wait for the rule of a port, and return when it was reported, on the clock `perf_counter`."""
        deadline = time.perf_counter() + LONGEST_CHANGE
        while port not in self._known:
            stream = self._monitor.stdout
            assert stream is not None
            if not select.select([stream], [], [], max(0.0, deadline - time.perf_counter()))[0]:
                raise SystemExit(f"the gateway does not open {port} within {LONGEST_CHANGE} s")
            self._take(os.read(stream.fileno(), _CHUNK))
        return self._known[port]

    def _take(self, text: bytes) -> None:
        if not text:
            raise SystemExit("nft monitor ended")
        now = time.perf_counter()
        *lines, self._rest = (self._rest + text).split(b"\n")
        for line in lines:
            for port in _RULE.findall(line):
                self._known[int(port)] = now


@contextlib.contextmanager
def opened_ports(lab: Lab) -> Iterator[OpenedPorts]:
    """Watch the rules of the gateway's firewall."""
    command = lab.router.command("nft", "monitor", "new", "rules")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as monitor:
        time.sleep(STARTING)
        try:
            yield OpenedPorts(monitor)
        finally:
            monitor.kill()
