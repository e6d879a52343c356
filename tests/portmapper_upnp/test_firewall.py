"""The firewall's actions and what their refusals mean, without a router."""

from __future__ import annotations

import ipaddress

import pytest

from portmapper.api import NetworkFailure, NotAuthorized, Protocol, Unsupported
from portmapper_upnp.firewall import FirewallControl
from portmapper_upnp.soap_fault import Fault

HOST = ipaddress.ip_address("2001:db8::7")


class ScriptedFirewall(FirewallControl):
    """A firewall whose actions return the given answers; a number is an error code."""

    def __init__(self, **answers):
        self.answers, self.calls = answers, []

    async def call(self, action, **arguments):
        """Answer a call as scripted; a missing action is refused with 401."""
        self.calls.append(action)
        answer = self.answers.get(action, 401)
        if isinstance(answer, int):
            raise Fault(answer, "")
        return answer


@pytest.mark.parametrize(
    ("status", "error"),
    [
        ({"FirewallEnabled": "0", "InboundPinholeAllowed": "1"}, Unsupported),
        ({"FirewallEnabled": "1", "InboundPinholeAllowed": " False "}, NotAuthorized),
        (501, Fault),
    ],
)
async def test_a_firewall_that_allows_no_pinholes_is_refused(status, error):
    """A firewall that is off, one that forbids pinholes, and one that reports another error."""
    with pytest.raises(error):
        await ScriptedFirewall(GetFirewallStatus=status).check_allowed()


@pytest.mark.parametrize("status", [{}, {"FirewallEnabled": "1", "InboundPinholeAllowed": "yes"}, 401, 602])
async def test_a_firewall_without_a_clear_no_passes(status):
    """Missing values and a missing action do not count as a refusal."""
    await ScriptedFirewall(GetFirewallStatus=status).check_allowed()


async def test_a_pinhole_needs_a_valid_id():
    """The id is a decimal number; without it the pinhole could not be renewed."""
    firewall = ScriptedFirewall(AddPinhole={"UniqueID": " 12 "})
    assert await firewall.add(Protocol.TCP, HOST, 80, 600) == "12"
    with pytest.raises(NetworkFailure):
        await ScriptedFirewall(AddPinhole={"UniqueID": "x"}).add(Protocol.TCP, HOST, 80, 600)


@pytest.mark.parametrize(
    ("answer", "renewed"), [({}, True), (704, False), (402, False), (606, False), (401, False)]
)
async def test_a_renewal_reports_whether_the_id_exists(answer, renewed):
    """Unknown ids and a missing action give False instead of an error."""
    assert await ScriptedFirewall(UpdatePinhole=answer).update("1", 600) is renewed


async def test_a_renewal_raises_other_faults():
    """Code 501 says nothing about the id."""
    with pytest.raises(Fault):
        await ScriptedFirewall(UpdatePinhole=501).update("1", 600)


@pytest.mark.parametrize(
    ("answers", "exists", "calls"),
    [
        ({"GetPinholePackets": {"PinholePackets": "0"}}, True, 1),
        ({"GetPinholePackets": 704}, False, 1),
        ({"CheckPinholeWorking": 709}, True, 2),
        ({"CheckPinholeWorking": 704}, False, 2),
        ({}, True, 2),
    ],
)
async def test_existence_is_checked_with_the_first_available_action(answers, exists, calls):
    """Code 709 means that no packet has arrived yet; without any action the pinhole counts as open."""
    firewall = ScriptedFirewall(**answers)
    assert await firewall.exists("1") is exists
    assert len(firewall.calls) == calls
