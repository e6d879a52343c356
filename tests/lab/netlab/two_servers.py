"""Two servers with the same list behind one gateway, and a virtual address that moves between them."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netlab.changes import changes_gateway
from netlab.hosts import AnsweringHost, answer_text, exchange
from netlab.lab import WAN_GATEWAY, WAN_HOST, Lab
from netlab.program import Program, Running
from portmapper.api.errors import PortmapperError
from portmapper.control.client import call_daemon

VIRTUAL = "192.168.88.50"
PORT = 8443
SECRET = "a secret of the two servers of this lab"


class Server:
    """One server with its own daemon.

    Attributes:
        name: the name of its namespace's role.
        address: its own address.
        running: its daemon, inside a `daemon` context.
        changes: the requests that it sent to change the gateway, inside a `recording` context.
    """

    def __init__(self, lab: Lab, directory: Path, name: str, address: str) -> None:
        self.name = name
        self.address = address
        self.namespace = lab.add_lan_host(name, address)
        self.answering = AnsweringHost(self.namespace)
        self.answering.listen("TCP", PORT)
        self.directory = directory / name
        self.directory.mkdir()
        self.running: Running
        self.changes: list[bytes] = []
        self._lab = lab
        (self.directory / "secret").write_text(SECRET)
        words = ("env", f"PORTMAPPER_CLUSTER_SECRET_FILE={self.directory / 'secret'}")
        program = Program(self.namespace, self.directory)
        self.program = Program(self.namespace, self.directory, (*words, *program.words))
        self._starts = 0

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.directory / "state"

    def write(self, *rows: str) -> None:
        """Write the list: rows of address, protocol, port and conflict policy."""
        header = "address;protocol;port;duration;conflict"
        (self.directory / "ports.csv").write_text("\n".join([header, *rows]) + "\n")

    @contextlib.contextmanager
    def daemon(self, *options: str) -> Iterator[Running]:
        """Run the daemon."""
        self._starts += 1
        log = self.directory / f"daemon-{self._starts}.log"
        list_file = str(self.directory / "ports.csv")
        words = ("run", "--state-dir", str(self.state), *options, list_file)
        with self.program.running(*words, log=log) as self.running:
            self.running.until(lambda: self.status().get("gateways"), "warm")
            yield self.running

    def status(self) -> dict[str, Any]:
        """Return the status document, empty if the daemon does not answer."""
        try:
            document: dict[str, Any] = call_daemon(self.state, "status")
        except PortmapperError:
            return {}
        return document

    def role(self) -> str | None:
        """Return the role of the daemon."""
        return self.status().get("role")

    def take(self) -> None:
        """Add the virtual address, and announce it as VRRP does."""
        self.namespace.ip("addr", "add", f"{VIRTUAL}/24", "dev", "eth0")
        self._lab.router.ip("neigh", "flush", "dev", "lan0")

    def give(self) -> None:
        """Remove the virtual address."""
        self.namespace.ip("addr", "del", f"{VIRTUAL}/24", "dev", "eth0")

    def crash(self) -> None:
        """Kill the daemon."""
        os.kill(self.running.process.pid, signal.SIGKILL)
        self.running.process.wait()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Record in `changes` what this server sends to change the gateway, over each protocol."""
        self.changes = []
        with self._lab.router._entered():
            packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
        packets.bind((f"port-{self.name}", 0x0003))
        packets.settimeout(0.05)
        done = threading.Event()
        thread = threading.Thread(target=self._record, args=(packets, done))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            packets.close()

    def _record(self, packets: socket.socket, done: threading.Event) -> None:
        while not done.is_set():
            with contextlib.suppress(TimeoutError):
                packet, origin = packets.recvfrom(65535)
                if origin[2] != socket.PACKET_OUTGOING and changes_gateway(packet):
                    self.changes.append(packet)


class TwoServers:
    """The two servers; the first one has the virtual address.

    Attributes:
        first, second: the servers.
    """

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.first = Server(lab, directory, "a", "192.168.88.11")
        self.second = Server(lab, directory, "b", "192.168.88.12")

    def close(self) -> None:
        """Stop answering."""
        self.first.answering.close()
        self.second.answering.close()

    def answers(self) -> bool:
        """Return whether a server answers the WAN host."""
        return exchange(self.lab.wan, "TCP", WAN_GATEWAY, PORT, 0.15) == answer_text("TCP", PORT, WAN_HOST)

    def until_answers(self, limit: float) -> float:
        """Wait until a server answers the WAN host; return the seconds that it took."""
        began = time.monotonic()
        while not self.answers():
            took = time.monotonic() - began
            if took > limit:
                raise AssertionError(f"no answer after {took:.1f} s:\n{self.second.running.log}")
        return time.monotonic() - began
