"""The gateway host, with NAT and a real miniupnpd."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import signal
import time
from pathlib import Path
from typing import Any

from netlab.firewalls import Rule, without_duplicates
from netlab.models import MODEL
from netlab.namespaces import LabError, Namespace

NATPMP_PORT = 5351
SSDP_PORT = 1900
START_TIMEOUT = 5.0
STOP_TIMEOUT = 5.0
POLL = 0.002


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
    igd1: bool = MODEL.igd1
    secure: bool = True
    http_port: int = MODEL.http_port
    external_address: str | None = MODEL.external_address
    rules: tuple[str, ...] = MODEL.rules
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
        self.namespace.run(MODEL.firewall.program, "-f", str(self._configuration), "-P", str(self._pid_file))
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
        MODEL.firewall.empty(self.namespace)
        self._lease_file.unlink(missing_ok=True)

    def reset(self, variant: Variant | None = None) -> None:
        """Restart with an empty table, and optionally with another variant."""
        self.kill()
        MODEL.firewall.clear(self.namespace)
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
        return without_duplicates(MODEL.firewall.rules(self.namespace))

    def accepted_ports(self) -> collections.Counter[tuple[str, int]]:
        """Count the filter rules that accept traffic, by protocol and internal port."""
        return MODEL.firewall.accepted_ports(self.namespace)

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
            *MODEL.firewall.configuration,
            *MODEL.extra,
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
