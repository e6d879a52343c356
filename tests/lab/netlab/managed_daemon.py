"""A portmapper daemon with a list of ports, and checks from the WAN and of its status."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from netlab.firewalls import Rule
from netlab.hosts import EXCHANGE_TIMEOUT, answer_text, exchange
from netlab.lab import LAN_HOST, WAN_GATEWAY, WAN_HOST, Lab
from netlab.program import Finished, Program, Running
from portmapper.api.errors import PortmapperError
from portmapper.control.client import call_daemon

QUICK = 0.15
"""Timeout in seconds of a query that measures the time of a recovery."""

Endpoint = tuple[str, int]
"""A protocol and a port number, both internal and external."""

ENDPOINTS: tuple[Endpoint, ...] = (("TCP", 8080), ("UDP", 8080), ("TCP", 8081), ("UDP", 8082))
"""Several mappings, two of them on the same port, which miniupnpd confuses."""


class ManagedDaemon:
    """`portmapper run` on one host, with its list.

    Attributes:
        endpoints: the ports in the list.
        file: the list file.
        state: the state directory.
        running: the process, inside a `daemon` context.
        internal_address: the host's address in the gateway rules.
        external_address: the external address that the WAN host queries.
        expected_peer: the peer address that the LAN host's server sees; a relaying gateway uses its own.
    """

    def __init__(
        self, lab: Lab, program: Program, directory: Path, *, internal_address: str = LAN_HOST
    ) -> None:
        self.lab = lab
        self.endpoints: tuple[Endpoint, ...] = ENDPOINTS
        self.file = directory / "ports.csv"
        self.state = directory / "state"
        self.running: Running
        self.internal_address = internal_address
        self.external_address = WAN_GATEWAY
        self.expected_peer = WAN_HOST
        self._program = program
        self._directory = directory
        self._starts = 0

    def write(self, endpoints: Iterable[Endpoint], duration: int = 600) -> None:
        """Write the list, which a running daemon reloads."""
        self.endpoints = tuple(endpoints)
        rows = [f"{protocol};{port};{duration}" for protocol, port in self.endpoints]
        edited = self.file.with_suffix(".new")
        edited.write_text("\n".join(["protocol;port;duration", *rows]) + "\n")
        edited.replace(self.file)
        for protocol, port in self.endpoints:
            self.lab.servers.listen(protocol, port)

    def command(self, *options: str) -> tuple[str, ...]:
        """Return the command that keeps the list open."""
        return ("run", "--state-dir", str(self.state), *options, str(self.file))

    @contextlib.contextmanager
    def daemon(self, *options: str, opens: bool = True) -> Iterator[Running]:
        """Run the daemon; wait until every port answers if `opens` is True."""
        if not self.file.exists():
            self.write(self.endpoints)
        self._starts += 1
        log = self._directory / f"daemon-{self._starts}.log"
        with self._program.running(*self.command(*options), log=log) as self.running:
            if opens:
                self.running.until(lambda: self.all_answer(EXCHANGE_TIMEOUT), "open")
            yield self.running

    def run_oneshot(self, *options: str) -> Finished:
        """Run one pass with `--oneshot`."""
        return self._program.run(*self.command("--oneshot", *options))

    # Checks from the WAN

    def answers(self, endpoint: Endpoint, timeout: float = QUICK) -> bool:
        """Return whether the LAN host's server answers the WAN host through this port."""
        heard = exchange(self.lab.wan, endpoint[0], self.external_address, endpoint[1], timeout)
        return heard == answer_text(*endpoint, self.expected_peer)

    def all_answer(self, timeout: float = QUICK) -> bool:
        """Return whether every listed port answers."""
        return all(self.answers(endpoint, timeout) for endpoint in self.endpoints)

    def until_open(self, since: float, limit: float) -> float:
        """Wait until every port answers; return the seconds since the monotonic time `since`."""
        closed = list(self.endpoints)
        while closed:
            closed = [endpoint for endpoint in closed if not self.answers(endpoint)]
            took = time.monotonic() - since
            if closed and took > limit:
                raise AssertionError(f"{closed} not open after {took:.2f} s:\n{self.running.log}")
        return took

    def until(self, condition: Callable[[], object], what: str, limit: float = 10.0) -> float:
        """Wait until a condition is true; return the seconds that it took."""
        began = time.monotonic()
        self.running.until(condition, what, limit)
        return time.monotonic() - began

    def expected_rules(self) -> set[Rule]:
        """Return the gateway rules for the list."""
        return {Rule(protocol, port, self.internal_address, port) for protocol, port in self.endpoints}

    # State of the daemon

    def status(self) -> dict[str, Any]:
        """Return the status document, empty if the daemon does not answer."""
        try:
            document: dict[str, Any] = call_daemon(self.state, "status")
        except PortmapperError:
            return {}
        return document

    def external_addresses(self) -> set[str | None]:
        """Return the external addresses of the mappings in the status document."""
        return {mapping["external_address"] for mapping in self.status().get("mappings", [])}

    def backends(self) -> set[str | None]:
        """Return the backends of the mappings in the status document."""
        return {mapping["backend"] for mapping in self.status().get("mappings", [])}

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the journal's events of one kind."""
        return [event for event in call_daemon(self.state, "history") if event["event"] == kind]

    def descriptors(self) -> int:
        """Return the number of the daemon's open files and sockets."""
        return len(os.listdir(f"/proc/{self.running.process.pid}/fd"))

    def memory(self) -> int:
        """Return the daemon's resident memory in KiB."""
        status = Path(f"/proc/{self.running.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def kill(self) -> None:
        """Kill the daemon, as in a crash."""
        self.running.process.send_signal(signal.SIGKILL)
        self.running.process.wait()
