"""Check whether the firewall of Windows drops incoming connections, from its rules in the registry.

Without a rule, the firewall drops them. A rule for a program may let a port in without naming it; which
program will listen is not known, so the finding is a warning and says so.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from portmapper.api.findings import Finding
from portmapper.api.model import IPAddress, Protocol
from portmapper.doctor.desired import DesiredPort

POLICY = r"SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
PROFILES = ("DomainProfile", "StandardProfile", "PublicProfile")
MAX_RULES = 20_000

_NUMBERS = {Protocol.TCP: "6", Protocol.UDP: "17"}


@attrs.frozen
class WindowsFirewall:
    """The firewall's state.

    Attributes:
        is_on: at least one profile is on; which of them applies depends on the network.
        rules: the fields of each active rule for incoming connections.
    """

    is_on: bool
    rules: Sequence[Mapping[str, Sequence[str]]]

    def drops(self, port: DesiredPort) -> bool:
        """Return whether no rule lets new connections to a port in, or one blocks them."""
        actions = {rule["Action"][0] for rule in self.rules if _names(rule, port)}
        return self.is_on and ("Block" in actions or "Allow" not in actions)


def parse_rule(text: str) -> dict[str, list[str]] | None:
    """Parse a rule such as `v2.31|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=8080|`.

    Return None if the rule is not active or not for incoming connections.
    """
    fields: dict[str, list[str]] = {}
    for part in text.split("|"):
        name, equals, value = part.partition("=")
        if equals:
            fields.setdefault(name, []).append(value)
    needed = {"Active": ["TRUE"], "Dir": ["In"]}
    is_active = all(fields.get(name) == value for name, value in needed.items())
    return fields if is_active and fields.get("Action") else None


def read_windows_firewall() -> WindowsFirewall | None:
    """Return the firewall's state; None elsewhere than on Windows, or if it cannot be read."""
    if sys.platform != "win32":
        return None
    import winreg

    try:
        profiles = [_values(winreg, rf"{POLICY}\{name}") for name in PROFILES]
        rules = _values(winreg, rf"{POLICY}\FirewallRules")
    except OSError:
        return None
    parsed = (parse_rule(text) for text in rules.values() if isinstance(text, str))
    is_on = any(profile.get("EnableFirewall") for profile in profiles)
    return WindowsFirewall(is_on, [rule for rule in parsed if rule is not None])


def windows_firewall_findings(
    desired: Iterable[DesiredPort], firewall: WindowsFirewall, is_ours: Callable[[IPAddress], bool]
) -> Iterator[Finding]:
    """Report which ports of this host no rule of its firewall lets in."""
    for port in desired:
        name = f"{port.internal_port}/{port.protocol.lower()}"
        if not is_ours(port.internal_address):
            continue
        if firewall.drops(port):
            summary = f"Windows Firewall drops {name}, unless it has a rule for the program"
            finding = Finding.warning("local-firewall", summary, _advice(port))
        else:
            finding = Finding.ok("local-firewall", f"no known firewall rule of this host drops {name}")
        yield finding.about(str(port))


def _advice(port: DesiredPort) -> str:
    return (
        f"allow the program in Windows Security, or run in PowerShell as administrator: New-NetFirewallRule "
        f"-DisplayName 'port {port.internal_port}' -Direction Inbound -Protocol {port.protocol} "
        f"-LocalPort {port.internal_port} -Action Allow"
    )


def _names(rule: Mapping[str, Sequence[str]], port: DesiredPort) -> bool:
    """Return whether a rule names the port, or is for all ports of all programs."""
    if rule.get("Protocol", [_NUMBERS[port.protocol]])[0] != _NUMBERS[port.protocol]:
        return False
    ports = [word for words in rule.get("LPort", ()) for word in words.split(",")]
    ranges = [word for words in rule.get("LPort2_10", ()) for word in words.split(",")]
    if not ports and not ranges:
        return not {"App", "Svc", "AppPkgId", "LUAuth"} & rule.keys()
    return any(_contains(word, port.internal_port) for word in (*ports, *ranges))


def _contains(word: str, port: int) -> bool:
    first, _, last = word.partition("-")
    with contextlib.suppress(ValueError):
        return int(first) <= port <= int(last or first)
    return False


def _values(winreg: Any, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, path) as key:
        for number in range(MAX_RULES):
            try:
                name, value, _ = winreg.EnumValue(key, number)
            except OSError:  # there are no more values
                break
            found[name] = value
    return found
