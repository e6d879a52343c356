"""A probe server outside, filters and a second NAT before it, and the checks of the LAN host.

Behind a second NAT, the gateway's external address is 11.22.33.1, and the internet sees 11.55.66.1:

    lan host -- [gateway] 11.22.33.1 -- 11.22.33.2 [second NAT] 11.55.66.1 -- 11.55.66.2 server
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from netlab.lab import LAN_HOST, WAN_GATEWAY, WAN_HOST, Lab
from netlab.namespaces import Namespace, cable
from netlab.program import Program, Running

PROBE_PORT = 9700
OUTER, SERVER = "11.55.66.1", "11.55.66.2"
OUTER_NAT = """
table inet outer {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "eth1" masquerade
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
    }
}
"""


@contextlib.contextmanager
def probe_server(host: Namespace, tmp_path: Path, address: str, *options: str) -> Iterator[str]:
    """Run `probe serve` on a host; yield its URL."""
    program = Program(host, tmp_path)
    words = ("probe", "serve", "--listen", f"{address}:{PROBE_PORT}", "--json", *options)
    with program.running(*words, log=tmp_path / "server.log") as running:
        running.until(lambda: running.output.endswith("\n"), "ready")
        yield json.loads(running.output)["url"]


@contextlib.contextmanager
def rules(host: Namespace, text: str, table: str) -> Iterator[None]:
    """Add a table of nftables to a host for a while."""
    host.run("nft", "-f", "-", stdin=text)
    try:
        yield
    finally:
        host.run("nft", "delete", "table", *table.split())


def dropping(hook: str, rule: str, verdict: str = "drop") -> str:
    """Return a table that drops packets."""
    return f"table inet lab {{\n chain c {{ type filter hook {hook} priority -5; {rule} {verdict}; }}\n}}\n"


@contextlib.contextmanager
def relaying(lab: Lab, port: int) -> Iterator[None]:
    """Let the gateway relay connections from inside to the LAN host, as with hairpin NAT."""
    with lab.router.socket(socket.SOCK_STREAM) as server:
        server.bind((WAN_GATEWAY, port))
        server.listen()
        thread = threading.Thread(target=_relay, args=(lab, server, port))
        thread.start()
        try:
            yield
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _relay(lab: Lab, server: socket.socket, port: int) -> None:
    """Pass on what the LAN host says first, until the server is shut down."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = server.accept()
            with connection, lab.router.socket(socket.SOCK_STREAM) as inner:
                inner.connect((LAN_HOST, port))
                connection.sendall(inner.recv(100))


class Host:
    """The daemon on the LAN host with open ports, and checks of them."""

    def __init__(self, program: Program, tmp_path: Path) -> None:
        self.program = program
        self.state = str(tmp_path / "state")

    @contextlib.contextmanager
    def open(self, tmp_path: Path, *rows: str, extra: str = "") -> Iterator[Running]:
        """Keep the ports of a list open."""
        settings = tmp_path / "portmapper.toml"
        tables = [
            f'[[mapping]]\nport = {port}\nprotocol = "{protocol}"\naddress = "{address}"\n'
            for port, protocol, address in (row.split("/") for row in rows)
        ]
        settings.write_text(f"{extra}\n" + "".join(tables))
        words = ("run", "--config", str(settings), "--state-dir", self.state)
        with self.program.running(*words, log=tmp_path / "run.log") as running:
            running.until(lambda: self.are_open(len(rows)), "open")
            yield running

    def status(self) -> dict[str, Any]:
        """Return the status document."""
        document: dict[str, Any] = self.program.run("status", "--json", "--state-dir", self.state).json()
        return document

    def mappings(self) -> list[dict[str, Any]]:
        """Return the mappings of the status document."""
        mappings: list[dict[str, Any]] = self.status()["mappings"]
        return mappings

    def is_checked(self) -> bool:
        """Return whether each mapping has a result."""
        return all(mapping["reachable"] for mapping in self.mappings())

    def are_open(self, number: int) -> bool:
        """Return whether all mappings are open."""
        mappings = self.mappings()
        return len(mappings) == number and all(mapping["state"] == "active" for mapping in mappings)

    def check(self, url: str, *words: str) -> list[dict[str, Any]]:
        """Return the results of `probe check`."""
        result = self.program.run("probe", "check", url, *words, "--json", "--state-dir", self.state)
        assert result.errors == ""
        found: list[dict[str, Any]] = result.json()["mappings"]
        assert result.status == (0 if all(one["state"] == "yes" for one in found) else 1)
        return found

    def doctor(self, url: str, *options: str) -> list[dict[str, Any]]:
        """Return the findings of `doctor --probe`."""
        words = ("doctor", "--probe", url, *options, "--json", "--state-dir", self.state)
        result = self.program.run(*words, timeout=60)
        assert result.errors == ""
        found: list[dict[str, Any]] = result.json()["findings"]
        return found

    def doctor_codes(self, url: str) -> dict[str, str]:
        """Return the severity of each code of `doctor --probe`."""
        return {finding["code"]: finding["severity"] for finding in self.doctor(url)}


@contextlib.contextmanager
def behind_another_nat(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """Let the WAN host translate addresses; yield the URL of a probe server behind it."""
    server = lab.topology.add("internet")
    cable(lab.wan, "eth1", server, "eth0")
    lab.wan.ip("addr", "add", f"{OUTER}/24", "dev", "eth1")
    server.ip("addr", "add", f"{SERVER}/24", "dev", "eth0")
    lab.wan.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    lab.router.ip("route", "add", "default", "via", WAN_HOST)
    try:
        with rules(lab.wan, OUTER_NAT, "inet outer"), probe_server(server, tmp_path, SERVER) as url:
            yield url
    finally:
        lab.router.ip("route", "del", "default")
        lab.topology.remove(server)
