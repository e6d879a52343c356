"""The quirk of miniupnpd on nftables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any

import attrs
import pytest

from portmapper.api import Action, Applies, Device, HeldLease, Lease, Protocol, RepairAction
from portmapper_quirks.miniupnpd_nft import MiniupnpdNft

GATEWAY, LOCAL = ip_address("192.168.88.1"), ip_address("192.168.88.10")
START = datetime(2026, 1, 1, tzinfo=UTC)
QUIRK = MiniupnpdNft()


def held(number: int, protocol: Protocol = Protocol.TCP, backend: str = "pcp", **fields: Any) -> HeldLease:
    """Return a lease that was opened as number so and so."""
    lease = Lease(
        protocol, LOCAL, 80, 80, None, 3600, False, backend, f"{backend}:{GATEWAY}", bytes([number])
    )
    return HeldLease(attrs.evolve(lease, **fields), START + timedelta(seconds=number))


ELDER, YOUNGER = held(1), held(2, Protocol.UDP)


@pytest.mark.parametrize(
    ("server", "answer"),
    [
        ("", Applies.UNKNOWN),
        ("Debian/6.1 UPnP/1.1 MiniUPnPd/2.3.1", Applies.YES),
        ("Linux/6.1 UPnP/1.0 R1/2", Applies.NO),
    ],
)
def test_the_server_header_identifies_the_device(server: str, answer: Applies) -> None:
    """Only UPnP tells it, so a device that was seen over PCP alone is unknown."""
    assert QUIRK.applies_to(Device(GATEWAY, server=server)) is answer


def test_a_device_without_a_server_header_is_another_one() -> None:
    """miniupnpd always sends one over UPnP."""
    assert QUIRK.applies_to(Device(GATEWAY, backends=frozenset({"upnp"}))) is Applies.NO


def test_mappings_to_one_internal_port_are_one_group() -> None:
    """Whatever their protocol and external port; pinholes have no group."""
    other = held(3, external_port=9090, protocol=Protocol.UDP).lease
    assert QUIRK.coupling(ELDER.lease) == QUIRK.coupling(YOUNGER.lease) == QUIRK.coupling(other)
    assert QUIRK.coupling(held(4, internal_port=81).lease) != QUIRK.coupling(ELDER.lease)
    assert QUIRK.coupling(held(5, internal_address=ip_address("2001:db8::1")).lease) is None


def test_the_renewal_of_an_elder_lease_closes_the_youngest() -> None:
    """The youngest is renewed at once; its own renewal closes nothing."""
    (again,) = QUIRK.after(Action.RENEWED, ELDER, [YOUNGER])
    assert (again.lease, again.recreate, again.at_once) == (YOUNGER.lease, False, True)
    assert QUIRK.after(Action.RENEWED, YOUNGER, [ELDER]) == ()


def test_what_another_backend_closed_is_recreated() -> None:
    """A renewal over UPnP leaves the rules as they are."""
    (again,) = QUIRK.after(Action.RENEWED, ELDER, [held(2, Protocol.UDP, "upnp")])
    assert again.recreate
    assert not again.at_once


def test_a_release_leaves_the_order_unknown() -> None:
    """It removes the topmost rule, even if that belongs to another mapping."""
    (again,) = QUIRK.after(Action.RELEASED, YOUNGER, [ELDER])
    assert (again.lease, again.recreate, again.order_lost) == (ELDER.lease, True, True)


def test_a_repair_leaves_the_rule_of_the_eldest_peer_alone() -> None:
    """The requested lease is closed, the eldest peer renewed; others are closed in between."""
    third = held(3, external_port=9090)
    steps = [(step.action, step.lease) for step in QUIRK.repair(ELDER, [YOUNGER, third], recreate=False)]
    assert steps == [
        (RepairAction.CLOSE, ELDER.lease),
        (RepairAction.CLOSE, third.lease),
        (RepairAction.RENEW, YOUNGER.lease),
    ]


def test_upnp_alone_needs_no_repair_unless_a_rule_is_gone() -> None:
    """Its renewals touch no rule, so the order matters only for what closes one."""
    elder, younger = held(1, backend="upnp"), held(2, Protocol.UDP, "upnp")
    assert QUIRK.repair(elder, [younger], recreate=False) == ()
    assert len(QUIRK.repair(elder, [younger], recreate=True)) == 2
