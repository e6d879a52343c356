"""A daemon that keeps a list of ports open, judged from outside: what answers, and since when."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from netlab.gateway import Rule
from netlab.hosts import answer_text, exchange
from netlab.lab import LAN_HOST, WAN_GATEWAY, WAN_HOST, Lab
from netlab.program import Finished, Program, Running
from portmapper.api.errors import PortmapperError
from portmapper.control.client import ask_daemon

QUICK = 0.15
"""Seconds that an answer within the lab may take while the moment of recovery is looked for."""

Way = tuple[str, int]
"""A protocol and the port that stands for it inside and outside."""

WAYS: tuple[Way, ...] = (("TCP", 8080), ("UDP", 8080), ("TCP", 8081), ("UDP", 8082))
"""Several mappings, two of them on one port: miniupnpd confuses those."""


class Kept:
    """The ports of one host, kept open by `portmapper run`.

    Attributes:
        ways: what the list has now.
        file: the list.
        state: the state directory.
        running: the daemon; set while `daemon` is entered.
        internal: the host's address, as the rules have it.
        asks: the outside address that the WAN host asks.
        heard_from: whom the LAN host's server hears; a gateway that relays asks in the WAN host's place.
    """

    def __init__(self, lab: Lab, program: Program, directory: Path, *, internal: str = LAN_HOST) -> None:
        self.lab = lab
        self.ways: tuple[Way, ...] = WAYS
        self.file = directory / "ports.csv"
        self.state = directory / "state"
        self.running: Running
        self.internal = internal
        self.asks = WAN_GATEWAY
        self.heard_from = WAN_HOST
        self._program = program
        self._directory = directory
        self._starts = 0

    def write(self, ways: Iterable[Way], duration: int = 600) -> None:
        """Write the list; a daemon that runs notices."""
        self.ways = tuple(ways)
        rows = [f"{protocol};{port};{duration}" for protocol, port in self.ways]
        edited = self.file.with_suffix(".new")
        edited.write_text("\n".join(["protocol;port;duration", *rows]) + "\n")
        edited.replace(self.file)
        for protocol, port in self.ways:
            self.lab.servers.listen(protocol, port)

    def command(self, *options: str) -> tuple[str, ...]:
        """Spell the command that keeps the list open."""
        return ("run", "--state-dir", str(self.state), *options, str(self.file))

    @contextlib.contextmanager
    def daemon(self, *options: str, opens: bool = True) -> Iterator[Running]:
        """Keep the list open; entered when every port answers, unless it is not to be expected."""
        if not self.file.exists():
            self.write(self.ways)
        self._starts += 1
        log = self._directory / f"daemon-{self._starts}.log"
        with self._program.running(*self.command(*options), log=log) as self.running:
            if opens:
                self.until_open(time.monotonic(), 10)
            yield self.running

    def pass_once(self, *options: str) -> Finished:
        """Run one pass."""
        return self._program.run(*self.command("--oneshot", *options))

    # From outside

    def answers(self, way: Way, timeout: float = QUICK) -> bool:
        """Tell whether the LAN host's server answers the WAN host through that port."""
        heard = exchange(self.lab.wan, way[0], self.asks, way[1], timeout)
        return heard == answer_text(*way, self.heard_from)

    def until_open(self, since: float, limit: float) -> float:
        """Wait until every port answers; the seconds from `since`, monotonic, to that moment."""
        closed = list(self.ways)
        while closed:
            closed = [way for way in closed if not self.answers(way)]
            took = time.monotonic() - since
            if closed and took > limit:
                raise AssertionError(f"{closed} not open after {took:.2f} s:\n{self.running.log}")
        return took

    def until(self, condition: Callable[[], object], what: str, limit: float = 10.0) -> float:
        """Wait until something has come true; the seconds that it took."""
        began = time.monotonic()
        self.running.until(condition, what, limit)
        return time.monotonic() - began

    def wanted_rules(self) -> set[Rule]:
        """Return the rules that the list amounts to."""
        return {Rule(protocol, port, self.internal, port) for protocol, port in self.ways}

    # From inside

    def status(self) -> dict[str, Any]:
        """Return the status document, empty while the daemon serves none."""
        try:
            document: dict[str, Any] = ask_daemon(self.state, "status")
        except PortmapperError:
            return {}
        return document

    def external_addresses(self) -> set[str | None]:
        """Return what the mappings' external addresses are, as the daemon knows them."""
        return {mapping["external_address"] for mapping in self.status().get("mappings", [])}

    def backends(self) -> set[str | None]:
        """Return which backends hold the mappings."""
        return {mapping["backend"] for mapping in self.status().get("mappings", [])}

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return the journal's events of one kind."""
        return [event for event in ask_daemon(self.state, "history") if event["event"] == kind]

    def descriptors(self) -> int:
        """Count the daemon's open files and sockets."""
        return len(os.listdir(f"/proc/{self.running.process.pid}/fd"))

    def memory(self) -> int:
        """Return the daemon's resident memory, in KiB."""
        status = Path(f"/proc/{self.running.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def kill(self) -> None:
        """Let the daemon crash."""
        self.running.process.send_signal(signal.SIGKILL)
        self.running.process.wait()
