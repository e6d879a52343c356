"""The arguments of the Python API."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

import pytest

from portmapper.api.model import ConflictPolicy, Family
from portmapper.client.arguments import check_callback, check_wait, family_from, mapping_from, names_from


def mapping(port: Any = 8080, protocol: Any = "tcp", **given: Any) -> Any:
    """Call `mapping_from` with the defaults of `open`."""
    names = ("internal_port", "address", "family", "lifetime", "comment", "gateway", "conflict", "remote")
    defaults: dict[str, Any] = {**dict.fromkeys(names), "lifetime": 3600, "comment": ""}
    return mapping_from(port, protocol, **{**defaults, **given})


@pytest.mark.parametrize(
    "given",
    [
        {"port": 80.5},
        {"port": "80"},
        {"port": True},
        {"port": None},
        {"protocol": 6},
        {"internal_port": "80"},
        {"address": 3232235777},
        {"address": b"\xc0\xa8\x01\x01"},
        {"family": 6},
        {"lifetime": "1h"},
        {"lifetime": True},
        {"lifetime": None},
        {"comment": 5},
        {"comment": None},
        {"gateway": 5},
        {"conflict": 5},
        {"remote": 5},
    ],
)
def test_an_invalid_type_is_a_type_error(given: dict[str, Any]) -> None:
    """The message begins with the argument and names no Python class, plugin or option."""
    with pytest.raises(TypeError) as raised:
        mapping(**given)
    message = str(raised.value)
    assert message.startswith(next(iter(given)))
    assert not any(word in message for word in ("plugin", "--", "class"))


@pytest.mark.parametrize(("given", "shown"), [({"comment": None}, "None"), ({"port": True}, "True")])
def test_the_message_has_the_words_of_python(given: dict[str, Any], shown: str) -> None:
    """Not those of JSON, as messages about lists."""
    with pytest.raises(TypeError, match=f", not {shown}$"):
        mapping(**given)


@pytest.mark.parametrize("wait", [5, "no", None, 0])
def test_wait_is_true_or_false(wait: object) -> None:
    """The text "no" would count as true."""
    with pytest.raises(TypeError, match=r"^wait must be True or False, not "):
        check_wait(wait)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 70000}, "port must be 1 to 65535, or 0 for any port, not 70000"),
        ({"port": -1}, "port must be 1 to 65535"),
        ({"port": 0}, "needs internal_port"),
        ({"internal_port": 0}, "internal_port must be 1 to 65535"),
        ({"protocol": "sctp"}, "tcp or udp"),
        ({"protocol": "both"}, "open a lease for each"),
        ({"address": "example"}, "IP address"),
        ({"address": "192.168.1.0/24"}, "IP address"),
        ({"address": "127.0.0.1"}, "loopback"),
        ({"address": "224.0.0.1"}, "multicast"),
        ({"family": "ipv5"}, "ipv4 or ipv6"),
        ({"family": "ipv6", "address": "192.168.1.1"}, "does not match"),
        ({"lifetime": -1}, "lifetime must be"),
        ({"lifetime": float("nan")}, "lifetime must be"),
        ({"lifetime": float("inf")}, "lifetime must be"),
        ({"lifetime": timedelta(days=100_000)}, "lifetime must be"),
        ({"gateway": "router"}, "gateway"),
        ({"remote": "example"}, "remote: .* names no remote hosts"),
        ({"remote": "0.0.0.0/0"}, "remote: .* is every host"),
        ({"remote": "2001:db8::/32", "family": "ipv4"}, "does not match the remote hosts"),
        ({"remote": "2001:db8::/32", "address": "192.168.1.9"}, "does not match the remote hosts"),
        ({"conflict": "perhaps"}, "keep, next, overwrite, fail"),
    ],
)
def test_an_invalid_value_is_a_value_error(given: dict[str, Any], message: str) -> None:
    """The message says what is valid."""
    with pytest.raises(ValueError, match=message):
        mapping(**given)


def test_addresses_are_text_or_addresses() -> None:
    """An IPv4-mapped address is its IPv4 address, and `0.0.0.0` is this host."""
    address = ipaddress.ip_address("192.168.1.9")
    interface = ipaddress.ip_interface("192.168.1.9/24")
    for given in (address, interface, "192.168.1.9", "::ffff:192.168.1.9"):
        assert (mapping(address=given).address, mapping(address=given).family) == (address, Family.IPV4)
    assert mapping(address="2001:db8::9").family is Family.IPV6
    assert mapping(address="0.0.0.0").address is None
    assert mapping(gateway=ipaddress.ip_address("192.168.1.1")).gateway == "192.168.1.1"


def test_remote_hosts_are_text_addresses_or_networks() -> None:
    """Without an address, they decide on the family."""
    network = ipaddress.ip_network("198.51.100.7/32")
    for given in ("198.51.100.7", ipaddress.ip_address("198.51.100.7"), network, "::ffff:198.51.100.7"):
        assert (mapping(remote=given).remote, mapping(remote=given).family) == (network, Family.IPV4)
    assert mapping(remote="2001:db8::/32").family is Family.IPV6
    assert mapping().remote is None


@pytest.mark.parametrize("lifetime", [90, 90.0, 89.5, timedelta(seconds=90)])
def test_lifetimes_are_numbers_or_timedeltas(lifetime: Any) -> None:
    """A part of a second counts as a whole one."""
    assert mapping(lifetime=lifetime).duration == 90


@pytest.mark.parametrize(
    ("name", "policy"),
    [("keep", "own"), ("own", "own"), ("overwrite", "take"), ("take", "take"), ("next", "next")],
)
def test_conflict_policies_have_two_spellings(name: str, policy: str) -> None:
    """The earlier names stay accepted, also as values of `ConflictPolicy`."""
    assert mapping(conflict=name).conflict is ConflictPolicy(policy)
    assert mapping(conflict=ConflictPolicy(policy)).conflict is ConflictPolicy(policy)


def test_one_or_several_names_are_accepted() -> None:
    """As text, addresses, or a sequence of them."""
    assert names_from("gateway", "192.168.1.1") == ("192.168.1.1",)
    assert names_from("gateway", [ipaddress.ip_address("192.168.1.1")]) == ("192.168.1.1",)
    for wrong in (5, [5], None, b"192.168.1.1"):
        with pytest.raises(TypeError, match="gateway must be"):
            names_from("gateway", wrong)


def test_a_callback_can_be_called() -> None:
    """Anything else is a TypeError."""
    check_callback(print)
    check_callback(None)
    with pytest.raises(TypeError, match="on_change"):
        check_callback("print")
    with pytest.raises(ValueError, match="family"):
        family_from("ipx")
