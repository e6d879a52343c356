"""The gateway host, with NAT in nftables and a real miniupnpd."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any, NamedTuple

from netlab.namespaces import LabError, Namespace

HTTP_PORT = 5000
NATPMP_PORT = 5351
SSDP_PORT = 1900
START_TIMEOUT = 5.0
STOP_TIMEOUT = 5.0
POLL = 0.002
_PROTOCOLS = {6: "TCP", 17: "UDP"}

# Redirects and filters share a table, because miniupnpd uses chains of one family for both.
# Other tables stay when a gateway restarts, because tests use them to drop packets.
FIREWALL = """
table inet filter
delete table inet filter
table inet filter {
    chain forward {
        type filter hook forward priority filter; policy drop;
        ct state established,related accept
        iifname "lan0" accept
        jump miniupnpd
    }
    chain prerouting {
        type nat hook prerouting priority dstnat; policy accept;
        iifname "wan0" jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        oifname "wan0" jump postrouting_miniupnpd
        oifname "wan0" meta nfproto ipv4 masquerade
    }
    chain miniupnpd {
    }
    chain prerouting_miniupnpd {
    }
    chain postrouting_miniupnpd {
    }
}
"""


@dataclasses.dataclass(frozen=True)
class Variant:
    """Configuration of a gateway.

    Attributes:
        name: name in test ids.
        upnp: enable IGD.
        natpmp: enable NAT-PMP and PCP; miniupnpd has one option for both.
        igd1: describe itself as an IGD v1.
        secure: a host can map ports only to itself.
        http_port: TCP port of the description.
        external_address: external address to report; None reports the real one.
        rules: `allow` and `deny` lines; the first match decides.
        extra: additional lines of the configuration.
    """

    name: str
    upnp: bool = True
    natpmp: bool = True
    igd1: bool = False
    secure: bool = True
    http_port: int = HTTP_PORT
    external_address: str | None = None
    rules: tuple[str, ...] = ("allow 1-65535 0.0.0.0/0 1-65535",)
    extra: tuple[str, ...] = ("system_uptime=yes",)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that find this gateway, best first."""
        return (("pcp", "natpmp") if self.natpmp else ()) + (("upnp",) if self.upnp else ())


IGD2_AND_PCP = Variant("igd2-and-pcp")
IGD1_ONLY = Variant("igd1-only", natpmp=False, igd1=True)
UPNP_OFF = Variant("upnp-off", upnp=False)
UPNP_ONLY = Variant("upnp-only", natpmp=False)
VARIANTS = (IGD2_AND_PCP, IGD1_ONLY, UPNP_OFF, UPNP_ONLY)


class Rule(NamedTuple):
    """A redirect rule of the gateway."""

    protocol: str
    external_port: int
    internal_address: str
    internal_port: int


class Gateway:
    """miniupnpd in a namespace with the interfaces `lan0` and `wan0`.

    Attributes:
        namespace: where it runs.
        variant: its configuration; to change it, call `reset`.
        lan_address: its address on `lan0`.
        wan_address: its address on `wan0`.
        pid: pid of the daemon, None while it is not running.
    """

    def __init__(self, namespace: Namespace, lan_address: str, wan_address: str, directory: Path) -> None:
        self.namespace = namespace
        self.variant = IGD2_AND_PCP
        self.lan_address = lan_address
        self.wan_address = wan_address
        self.pid: int | None = None
        self._configuration = directory / "miniupnpd.conf"
        self._pid_file = directory / "miniupnpd.pid"
        self._lease_file = directory / "miniupnpd.leases"
        namespace.run("sysctl", "-qw", "net.ipv4.ip_forward=1")

    @property
    def description_url(self) -> str:
        """URL of the IGD description."""
        return f"http://{self.lan_address}:{self.variant.http_port}/rootDesc.xml"

    def start(self) -> None:
        """Start the daemon and wait until it listens; it restores leases from the lease file."""
        self._configuration.write_text(self._configuration_text())
        self._pid_file.unlink(missing_ok=True)
        # Without -d, because its debug log makes each mapping hundreds of times slower.
        self.namespace.run("miniupnpd", "-f", str(self._configuration), "-P", str(self._pid_file))
        _until(self._read_pid, START_TIMEOUT, "miniupnpd wrote no pid")
        _until(self._listens, START_TIMEOUT, "miniupnpd does not listen")

    def stop(self) -> None:
        """Stop the daemon with SIGTERM; it sends byebye over SSDP, and its rules stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the daemon, as in a crash."""
        self._end(signal.SIGKILL)

    def empty(self) -> None:
        """Delete all rules and leases, as a reboot does; only while stopped, because it caches its rules."""
        if self.pid is not None:
            raise LabError("the gateway must be stopped before its rules are deleted")
        self.namespace.run("nft", "-f", "-", stdin=FIREWALL)
        self._lease_file.unlink(missing_ok=True)

    def reset(self, variant: Variant | None = None) -> None:
        """Restart with an empty table, and optionally with another variant."""
        self.kill()
        self.namespace.run("nft", "flush", "ruleset")
        self.empty()
        self.variant = variant or self.variant
        self.start()

    def restart(self) -> None:
        """Stop and start with an empty table, as a reboot does."""
        self.stop()
        self.empty()
        self.start()

    def rules(self) -> set[Rule]:
        """Return the redirects in the firewall, independent of miniupnpd."""
        text = self.namespace.run("nft", "-j", "list", "chain", "inet", "filter", "prerouting_miniupnpd")
        listed = [item["rule"] for item in json.loads(text)["nftables"] if "rule" in item]
        rules = [_rule(rule["expr"]) for rule in listed]
        if len(set(rules)) != len(rules):
            raise LabError(f"duplicate redirect: {rules}")
        return set(rules)

    def accepted_ports(self) -> collections.Counter[tuple[str, int]]:
        """Count the filter rules that accept traffic, by protocol and internal port."""
        text = self.namespace.run("nft", "list", "chain", "inet", "filter", "miniupnpd")
        found = re.findall(r"th dport (\d+) .*@nh,72,8 (0x\w+) accept", text)
        return collections.Counter((_PROTOCOLS[int(number, 16)], int(port)) for port, number in found)

    def lease_lines(self) -> list[str]:
        """Return the lines of the lease file: `PROTOCOL:PORT:ADDRESS:PORT:EXPIRY:COMMENT`."""
        return self._lease_file.read_text().splitlines() if self._lease_file.exists() else []

    def _configuration_text(self) -> str:
        variant = self.variant
        lines = [
            "ext_ifname=wan0",
            # miniupnpd treats a documentation address as private and would disable everything.
            *([f"ext_ip={variant.external_address}"] if variant.external_address else []),
            "listening_ip=lan0",
            f"http_port={variant.http_port}",
            f"enable_upnp={_yes(variant.upnp)}",
            f"enable_natpmp={_yes(variant.natpmp)}",
            f"force_igd_desc_v1={_yes(variant.igd1)}",
            f"secure_mode={_yes(variant.secure)}",
            "uuid=5d1f2c30-0000-4000-8000-000000000001",
            "upnp_table_name=filter",
            "upnp_nat_table_name=filter",
            "upnp_forward_chain=miniupnpd",
            "upnp_nat_chain=prerouting_miniupnpd",
            "upnp_nat_postrouting_chain=postrouting_miniupnpd",
            f"lease_file={self._lease_file}",
            *variant.extra,
            *variant.rules,
            "deny 0-65535 0.0.0.0/0 0-65535",
        ]
        return "\n".join(lines) + "\n"

    def _read_pid(self) -> bool:
        with contextlib.suppress(FileNotFoundError, ValueError):
            self.pid = int(self._pid_file.read_text())
            return True
        return False

    def _listens(self) -> bool:
        if not _alive(self.pid):
            raise LabError("miniupnpd ended at once")
        udp, tcp = _bound_ports(self.pid, "udp"), _bound_ports(self.pid, "tcp")
        return (not self.variant.natpmp or NATPMP_PORT in udp) and (
            not self.variant.upnp or (SSDP_PORT in udp and self.variant.http_port in tcp)
        )

    def _end(self, how: signal.Signals) -> None:
        pid, self.pid = self.pid, None
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)
        _until(lambda: not _alive(pid), STOP_TIMEOUT, "miniupnpd does not end")


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _rule(expressions: list[dict[str, Any]]) -> Rule:
    matched: dict[str, int] = {}
    target: dict[str, Any] = {}
    for expression in expressions:
        if "dnat" in expression:
            target = expression["dnat"]
        elif payload := expression.get("match", {}).get("left", {}).get("payload"):
            # In this table's family, the protocol has no name and is a byte of the network header.
            matched[payload.get("field", "protocol")] = expression["match"]["right"]
    return Rule(_PROTOCOLS[matched["protocol"]], matched["dport"], target["addr"], target["port"])


def _alive(pid: int | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    # In a container, a dead daemon can stay a zombie if no process reaps it.
    return state not in "ZX"


def _bound_ports(pid: int | None, protocol: str) -> set[int]:
    """Return the listening TCP ports or bound UDP ports of a process's namespace."""
    expected_state = {"tcp": "0A", "udp": "07"}[protocol]
    ports = set()
    for name in (protocol, f"{protocol}6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == expected_state:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _until(condition: Any, timeout: float, complaint: str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(complaint)
        time.sleep(POLL)
