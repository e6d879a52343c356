"""The gateway host: nftables NAT and the real miniupnpd."""

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

# Redirects and filters share the table: miniupnpd puts both kinds of rule into chains of one family.
# Other tables stay when a gateway restarts: a test may drop packets by one.
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
    """How one gateway is configured.

    Attributes:
        name: for test ids.
        upnp: IGD is on.
        natpmp: NAT-PMP and PCP are on; miniupnpd knows them only together.
        igd1: describes itself as an IGD v1.
        secure: a host maps for itself only.
        http_port: where its description lies.
        external_address: what it claims to have outside; None claims its real one.
        rules: `allow` and `deny` lines, first match wins.
        extra: further lines of the configuration.
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
        """The backends that find something here, best first."""
        return (("pcp", "natpmp") if self.natpmp else ()) + (("upnp",) if self.upnp else ())


IGD2_AND_PCP = Variant("igd2-and-pcp")
IGD1_ONLY = Variant("igd1-only", natpmp=False, igd1=True)
UPNP_OFF = Variant("upnp-off", upnp=False)
UPNP_ONLY = Variant("upnp-only", natpmp=False)
VARIANTS = (IGD2_AND_PCP, IGD1_ONLY, UPNP_OFF, UPNP_ONLY)


class Rule(NamedTuple):
    """One redirect that stands in the gateway."""

    protocol: str
    external_port: int
    internal_address: str
    internal_port: int


class Gateway:
    """miniupnpd in a namespace that has `lan0` and `wan0`.

    Attributes:
        namespace: where it runs.
        variant: how it is configured; set another one and `reset`.
        lan_address: its address on `lan0`.
        wan_address: its address on `wan0`.
        pid: of the running daemon, None while it is down.
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
        """Where it describes itself as an IGD."""
        return f"http://{self.lan_address}:{self.variant.http_port}/rootDesc.xml"

    def start(self) -> None:
        """Start the daemon and return when it answers; its old leases come back from the lease file."""
        self._configuration.write_text(self._configuration_text())
        self._pid_file.unlink(missing_ok=True)
        # Never -d: its debug log makes each mapping hundreds of times slower.
        self.namespace.run("miniupnpd", "-f", str(self._configuration), "-P", str(self._pid_file))
        _until(self._read_pid, START_TIMEOUT, "miniupnpd wrote no pid")
        _until(self._listens, START_TIMEOUT, "miniupnpd does not listen")

    def stop(self) -> None:
        """Stop it in order: it says goodbye over SSDP, and its rules stay."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Let it crash."""
        self._end(signal.SIGKILL)

    def empty(self) -> None:
        """Forget every redirect, as a reboot does. Only while it is down: it caches its rules."""
        if self.pid is not None:
            raise LabError("the gateway runs and would not notice")
        self.namespace.run("nft", "-f", "-", stdin=FIREWALL)
        self._lease_file.unlink(missing_ok=True)

    def reset(self, variant: Variant | None = None) -> None:
        """Begin anew, with an empty table and the given variant or the one it has, and nothing else."""
        self.kill()
        self.namespace.run("nft", "flush", "ruleset")
        self.empty()
        self.variant = variant or self.variant
        self.start()

    def restart(self) -> None:
        """Stop and start with an empty table, as a gateway that reboots."""
        self.stop()
        self.empty()
        self.start()

    def rules(self) -> set[Rule]:
        """Read the redirects out of the firewall itself, whatever miniupnpd says."""
        text = self.namespace.run("nft", "-j", "list", "chain", "inet", "filter", "prerouting_miniupnpd")
        listed = [item["rule"] for item in json.loads(text)["nftables"] if "rule" in item]
        rules = [_rule(rule["expr"]) for rule in listed]
        if len(set(rules)) != len(rules):
            raise LabError(f"the same redirect stands twice: {rules}")
        return set(rules)

    def let_through(self) -> collections.Counter[tuple[str, int]]:
        """Count what the firewall forwards to, by protocol and internal port; a redirect needs it too."""
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
            # A documentation address counts as private to miniupnpd and would switch everything off.
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
            # The protocol has no name in this table's family: it is a byte of the network header.
            matched[payload.get("field", "protocol")] = expression["match"]["right"]
    return Rule(_PROTOCOLS[matched["protocol"]], matched["dport"], target["addr"], target["port"])


def _alive(pid: int | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    # Nobody may be there to reap a daemon in a container; it is gone all the same.
    return state not in "ZX"


def _bound_ports(pid: int | None, protocol: str) -> set[int]:
    """Read the ports of that process's namespace: listening for TCP, bound for UDP."""
    wanted_state = {"tcp": "0A", "udp": "07"}[protocol]
    ports = set()
    for name in (protocol, f"{protocol}6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == wanted_state:
                    ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports


def _until(condition: Any, timeout: float, complaint: str) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(complaint)
        time.sleep(POLL)
