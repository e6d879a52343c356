"""A real gateway, a real daemon, and an attacker on the LAN."""

from __future__ import annotations

import contextlib
import http.server
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from netlab.firewalls import Rule
from netlab.gateway import IGD2_AND_PCP
from netlab.hosts import serving
from netlab.lab import LAN_GATEWAY, LAN_HOST, Lab, running_lab
from netlab.namespaces import Namespace, sweep
from netlab.program import Program, Running
from netlab.requirements import missing_requirement

ATTACKER = "192.168.88.66"
VICTIM = "192.168.88.77"
METADATA = "169.254.169.254"
PUBLIC = "8.8.4.4"
TRAP_PORT = 7777
PORTS = (8080, 8081)
MAX_GROWTH = 24 * 1024
"""KiB by which the daemon may grow during an attack."""

SSDP = ("239.255.255.250", 1900)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test of this directory."""
    item.add_marker(pytest.mark.lab)


def checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def datagram(source: tuple[str, int], target: tuple[str, int], data: bytes) -> bytes:
    """Return a UDP datagram with its IPv4 header and any source address."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(data), 0) + data
    addresses = socket.inet_aton(source[0]) + socket.inet_aton(target[0])
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 4, 17, 0) + addresses
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


class Trap:
    """A TCP port that must get no connection; its backlog holds connections."""

    def __init__(self, namespace: Namespace, address: str, port: int = TRAP_PORT) -> None:
        self._socket = namespace.socket(socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((address, port))
        self._socket.listen(16)
        self._socket.setblocking(False)

    def was_visited(self) -> bool:
        """Return whether there was a connection."""
        with contextlib.suppress(BlockingIOError):
            self._socket.accept()[0].close()
            return True
        return False

    def close(self) -> None:
        """Close the port."""
        self._socket.close()


@attrs.define
class Usage:
    """The daemon's resource usage: resident KiB, CPU seconds, lines of the log."""

    memory: int
    cpu: float
    lines: int


@attrs.define
class Attack:
    """The lab with an attacker.

    Attributes:
        lab: the LAN, the gateway and the WAN.
        attacker: a second host on the LAN.
        traps: the targets of forged packets, by name.
        directory: the directory for files.
    """

    lab: Lab
    attacker: Namespace
    traps: dict[str, Trap]
    directory: Path

    @property
    def log(self) -> Path:
        """The daemon's log."""
        return self.directory / "daemon.log"

    @contextlib.contextmanager
    def daemon(self, *arguments: str) -> Iterator[Running]:
        """Run the daemon with two mappings until they are open."""
        rows = "".join(f"TCP;{port};600\n" for port in PORTS)
        (self.directory / "ports.csv").write_text("protocol;port;duration\n" + rows)
        program = Program(self.lab.lan, self.directory)
        state = ("--state-dir", str(self.directory / "state"))
        source = str(self.directory / "ports.csv")
        with program.running("run", "--interval", "2", *state, *arguments, source, log=self.log) as running:
            running.until(self.is_open, "both ports open", timeout=60)
            yield running

    def is_open(self) -> bool:
        """Return whether the gateway forwards exactly the two ports."""
        return self.lab.gateway.rules() == {Rule("TCP", port, LAN_HOST, port) for port in PORTS}

    def measure(self, running: Running) -> Usage:
        """Return the daemon's resource usage so far."""
        pid = running.process.pid
        status = Path(f"/proc/{pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return Usage(int(peak.split()[1]), ticks / os.sysconf("SC_CLK_TCK"), running.log.count("\n"))

    def check(self, running: Running, before: Usage, what: str, *, lines: int) -> Usage:
        """Assert that no port was lost and that the attack used few resources."""
        after = self.measure(running)
        growth, new_lines = after.memory - before.memory, after.lines - before.lines
        cpu = after.cpu - before.cpu
        print(f"\n{what}: peak {before.memory} -> {after.memory} KiB, CPU {cpu:.2f} s, {new_lines} lines")
        assert self.is_open(), running.log
        assert all(self.lab.reaches("TCP", port) for port in PORTS)
        assert growth < MAX_GROWTH
        assert new_lines <= lines, running.log
        assert "Traceback" not in running.log
        assert not self.visited()
        return after

    def visited(self) -> list[str]:
        """Return the names of the traps that got a connection."""
        return [name for name, trap in self.traps.items() if trap.was_visited()]

    def raw(self) -> socket.socket:
        """Open a socket that sends packets with any source address."""
        with self.attacker._entered():
            return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)

    def flood(self, seconds: float, packets: Callable[[int], tuple[bytes, str]], most: int = 10**9) -> int:
        """Send IPv4 packets as fast as possible and return their number; `packets` makes each one."""
        sent = 0
        deadline = time.monotonic() + seconds
        with self.raw() as sending:
            while time.monotonic() < deadline and sent < most:
                packet, target = packets(sent)
                with contextlib.suppress(OSError):
                    sending.sendto(packet, (target, 0))
                sent += 1
        return sent


@pytest.fixture(scope="session")
def hostile_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Namespace, Namespace]]:
    """A lab with two more hosts; in CI, it must not be skipped."""
    if reason := missing_requirement():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    sweep()
    with running_lab(tmp_path_factory.mktemp("hostile")) as lab:
        attacker = lab.add_lan_host("foe", ATTACKER)
        victim = lab.add_lan_host("victim", VICTIM)
        attacker.ip("addr", "add", f"{PUBLIC}/32", "dev", "eth0")
        lab.lan.ip("route", "add", PUBLIC, "via", ATTACKER)
        lab.router.ip("addr", "add", f"{METADATA}/32", "dev", "lan0")
        yield lab, attacker, victim


@pytest.fixture
def attack(hostile_lab: tuple[Lab, Namespace, Namespace], tmp_path: Path) -> Iterator[Attack]:
    """A new gateway and new traps."""
    lab, attacker, victim = hostile_lab
    lab.gateway.reset(IGD2_AND_PCP)
    traps = {
        "loopback": Trap(lab.lan, "127.0.0.1"),
        "our own address": Trap(lab.lan, LAN_HOST),
        "another host": Trap(victim, VICTIM),
        "another port of the gateway": Trap(lab.router, LAN_GATEWAY),
        "metadata": Trap(lab.router, METADATA, 80),
    }
    yield Attack(lab, attacker, traps, tmp_path)
    for trap in traps.values():
        trap.close()
    lab.gateway.kill()


class Forger(threading.Thread):
    """Answers every M-SEARCH with forged answers, if possible before the gateway.

    Attributes:
        answers: returns the LOCATIONs for one search.
        searches: the number of received searches.
        sent: the number of sent answers.
    """

    def __init__(self, namespace: Namespace, answers: Callable[[int], list[str]]) -> None:
        super().__init__(name="forger", daemon=True)
        self.answers = answers
        self.searches = self.sent = 0
        self._ended = threading.Event()
        self._socket = namespace.socket(socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("", SSDP[1]))
        membership = socket.inet_aton(SSDP[0]) + socket.inet_aton(ATTACKER)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self._socket.settimeout(0.1)

    def run(self) -> None:
        """Answer searches until `end`."""
        while not self._ended.is_set():
            try:
                data, sender = self._socket.recvfrom(4096)
            except TimeoutError:
                continue
            if data.startswith(b"M-SEARCH"):
                self.searches += 1
                for location in self.answers(self.searches):
                    self.sent += 1
                    with contextlib.suppress(OSError):
                        self._socket.sendto(answer(location), sender)

    def end(self) -> None:
        """Stop answering."""
        self._ended.set()
        self.join()
        self._socket.close()


def answer(location: str) -> bytes:
    """Return an answer to a search for gateways."""
    target = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
    lines = ["HTTP/1.1 200 OK", f"LOCATION: {location}", f"ST: {target}", f"USN: uuid:foe::{target}", "", ""]
    return "\r\n".join(lines).encode()


@pytest.fixture
def forge(attack: Attack) -> Iterator[Callable[..., Forger]]:
    """A function that lets the attacker answer searches."""
    forgers: list[Forger] = []

    def forge(answers: Callable[[int], list[str]]) -> Forger:
        forgers.append(Forger(attack.attacker, answers))
        forgers[-1].start()
        return forgers[-1]

    yield forge
    for forger in forgers:
        forger.end()


@pytest.fixture
def web(attack: Attack) -> Iterator[Callable[..., str]]:
    """A function that serves the attacker's pages; each path has a function that gets the handler."""
    with contextlib.ExitStack() as stack:

        def serve(pages: dict[str, Callable[[Any], None]], hits: list[str], address: str = ATTACKER) -> str:
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self) -> None:
                    hits.append(self.path)
                    with contextlib.suppress(OSError):
                        pages.get(self.path, pages["/"])(self)

                do_POST = do_GET  # noqa: N815

                def log_message(self, *_: object) -> None:
                    """Log nothing."""

            return stack.enter_context(serving(attack.attacker, address, Handler))

        yield serve


@pytest.fixture
def spoof() -> Callable[..., bytes]:
    """The function `datagram`; test modules cannot import it from here."""
    return datagram
