"""The rules of Windows Firewall, as the registry contains them."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api.model import Protocol
from portmapper.doctor.desired import DesiredPort
from portmapper.doctor.windows_firewall import (
    WindowsFirewall,
    parse_rule,
    read_windows_firewall,
    windows_firewall_findings,
)

WEB = DesiredPort(Protocol.TCP, 80, ipaddress.ip_address("192.168.88.10"), 8080)
START = "v2.31|Action=Allow|Active=TRUE|Dir=In|"


def firewall(*rules: str, is_on: bool = True) -> WindowsFirewall:
    """Return a firewall with these rules."""
    parsed = [parse_rule(rule) for rule in rules]
    return WindowsFirewall(is_on, [rule for rule in parsed if rule is not None])


@pytest.mark.parametrize(
    "rule",
    [
        START + "Protocol=6|LPort=8080|Name=Web|",
        START + "Protocol=6|LPort=80|LPort=8080|App=C:\\web.exe|",
        START + "Protocol=6|LPort2_10=8000-8100|",
        START + "LPort=8080|",
        START + "Protocol=6|",
    ],
)
def test_a_rule_that_names_the_port_lets_it_in(rule: str) -> None:
    """Ports, ranges, any protocol, and a rule for all ports."""
    assert not firewall(rule).drops(WEB)


@pytest.mark.parametrize(
    "rule",
    [
        START + "Protocol=17|LPort=8080|",
        START + "Protocol=6|LPort=8081|",
        START + "Protocol=6|LPort=RPC|",
        START + "Protocol=6|App=C:\\web.exe|",
        START.replace("In", "Out") + "Protocol=6|LPort=8080|",
        START.replace("TRUE", "FALSE") + "Protocol=6|LPort=8080|",
        "",
        "v2.31|Dir=In|Active=TRUE|",
    ],
)
def test_other_rules_do_not(rule: str) -> None:
    """Another protocol, port, direction or program; a rule that is off, or not understood."""
    assert firewall(rule).drops(WEB)


def test_a_blocking_rule_wins() -> None:
    """As in Windows, the order of the rules does not matter."""
    allow = START + "Protocol=6|LPort=8080|"
    assert firewall(allow, allow.replace("Allow", "Block")).drops(WEB)


def test_a_firewall_that_is_off_drops_nothing() -> None:
    """All its profiles are off."""
    assert not firewall(is_on=False).drops(WEB)


def test_the_advice_is_the_command_that_adds_the_rule() -> None:
    """Ports of other hosts are not reported."""
    (finding,) = windows_firewall_findings([WEB], firewall(), lambda _: True)
    assert (finding.code, str(finding.severity)) == ("local-firewall", "warning")
    assert "-Protocol TCP -LocalPort 8080 -Action Allow" in finding.advice
    assert list(windows_firewall_findings([WEB], firewall(), lambda _: False)) == []


def test_elsewhere_there_is_no_such_firewall() -> None:
    """Linux has nftables."""
    assert read_windows_firewall() is None
