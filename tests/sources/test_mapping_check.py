"""A mapping is checked by the policy, the trust in its source, and this host's network."""

from __future__ import annotations

import errno
import ipaddress

import pytest

from portmapper.api.errors import RowError, SourceError
from portmapper.api.model import ConflictPolicy, Mapping, Protocol
from portmapper.network.host import DefaultRoute, Interface, Network
from portmapper.sources.address_syntax import parse_address
from portmapper.sources.mapping_check import mapping_check
from portmapper.sources.policy import Action, Policy, Rule
from portmapper.sources.trust import Trust

HOME = Network(
    (
        Interface("eth0", (ipaddress.ip_interface("192.168.1.5/24"),)),
        Interface("ppp0", (ipaddress.ip_interface("10.9.0.0/31"),)),
    ),
    (DefaultRoute("eth0", ipaddress.ip_address("192.168.1.1")),),
)
ALL = frozenset(Trust)


def check(address: str, *, trust: frozenset[Trust] = ALL, policy: Policy | None = None) -> None:
    """Check a mapping to this address on the network HOME."""
    mapping = Mapping(Protocol.TCP, 80, 80, parse_address(address))
    mapping_check(policy or Policy(), trust, lambda: HOME)(mapping)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.168.1.1", "the gateway's own address"),
        ("::ffff:192.168.1.1", "the gateway's own address"),
        ("192.168.1.0", r"the address of the network 192.168.1.0/24"),
        ("192.168.1.255", r"the broadcast address of 192.168.1.0/24"),
    ],
)
def test_an_address_without_a_host_is_rejected(address: str, reason: str) -> None:
    """On this network no host can have it."""
    with pytest.raises(RowError, match=reason) as caught:
        check(address)
    assert caught.value.field == "address"


@pytest.mark.parametrize("address", ["", "192.168.1.5", "192.168.1.7", "10.9.0.0", "10.9.0.1", "192.168.1"])
def test_any_other_address_is_allowed(address: str) -> None:
    """A /31 has no network and no broadcast address (RFC 3021)."""
    check(address)


@pytest.mark.parametrize("address", ["", "192.168.1.5", "192.168.1.0/24"])
def test_a_source_may_name_this_host_without_trust(address: str) -> None:
    """In any notation."""
    check(address, trust=frozenset())


def test_another_host_needs_trust() -> None:
    """The message says what to write."""
    with pytest.raises(RowError, match=r'trust = \["addresses"\]'):
        check("192.168.1.7", trust=frozenset({Trust.TAKE}))


def test_overwrite_needs_trust() -> None:
    """Other conflict policies do not."""
    mapping = Mapping(Protocol.TCP, 80, 80, conflict=ConflictPolicy.TAKE)
    with pytest.raises(RowError, match=r'trust = \["take"\]'):
        mapping_check(Policy(), frozenset({Trust.ADDRESSES}))(mapping)


@pytest.mark.parametrize(
    ("name", "hint"),
    [("UPnP", "did you mean upnp"), ("nat-pmp", "did you mean natpmp"), ("any", "known: natpmp, upnp")],
)
def test_a_backend_must_exist(name: str, hint: str) -> None:
    """Otherwise its row would only report that no gateway answers."""
    known = ("natpmp", "upnp")
    mapping_check(Policy(), ALL, backends=known)(Mapping(Protocol.TCP, 80, 80, backend="upnp"))
    with pytest.raises(RowError, match=f"^backend: no backend named '{name}'.*{hint}"):
        mapping_check(Policy(), ALL, backends=known)(Mapping(Protocol.TCP, 80, 80, backend=name))


@pytest.mark.parametrize("address", ["192.168.1.7", "::ffff:192.168.1.7", "::ffff:c0a8:107"])
@pytest.mark.parametrize("rule", ["192.168.1.7", "::ffff:192.168.1.7/128", "::ffff:192.168.1.0/120"])
def test_the_policy_sees_one_form_of_an_address(address: str, rule: str) -> None:
    """In the row and in the rule."""
    denied = ipaddress.ip_network(parse_address(rule) or "")
    with pytest.raises(RowError, match="denied by policy"):
        check(address, policy=Policy((Rule(Action.DENY, address=denied),)))


def test_a_network_that_cannot_be_read_fails_the_document() -> None:
    """The source goes stale, so that its ports stay open."""

    def unreadable() -> Network:
        raise OSError(errno.EMFILE, "Too many open files")

    mapping = Mapping(Protocol.TCP, 80, 80, parse_address("192.168.1.7"))
    with pytest.raises(SourceError, match="network cannot be read: Too many open files"):
        mapping_check(Policy(), ALL, unreadable)(mapping)
