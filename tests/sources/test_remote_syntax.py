"""The remote hosts that may connect."""

from __future__ import annotations

import pytest

from portmapper.api.errors import RowError
from portmapper.api.source import Row
from portmapper.sources.remote_syntax import parse_remote
from portmapper.sources.row_parser import mappings_of


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("198.51.100.7", "198.51.100.7/32"),
        (" 198.51.100.0/24 ", "198.51.100.0/24"),
        ("198.51.100.7/32", "198.51.100.7/32"),
        ("::ffff:198.51.100.7", "198.51.100.7/32"),
        ("::ffff:198.51.100.0/120", "198.51.100.0/24"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_one_address_or_a_network_in_its_canonical_form(text: str, network: str) -> None:
    """A mapped IPv4 address is its IPv4 address, so that no rule of the policy misses it."""
    assert str(parse_remote(text)) == network


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("198.51.100.7/24", "write 198.51.100.0/24, or 198.51.100.7"),
        ("0.0.0.0/0", "every host"),
        ("::/0", "every host"),
        ("224.0.0.1", "cannot connect"),
        ("127.0.0.1", "cannot connect"),
        ("fe80::1%eth0", "cannot connect"),
        *(
            (text, "write an address such as")
            for text in ("", "*", "any", "example.org", "198.51.100", "1.2.3.4/33")
        ),
        *(
            (text, "write an address such as")
            for text in ("1.2.3.4/024", "1.2.3.4/", "1.2.3.4/٣", "::ffff:1.2.3.4/64")
        ),
    ],
)
def test_anything_else_is_refused_with_what_to_write(text: str, hint: str) -> None:
    """A misread value would open the port to too many hosts."""
    with pytest.raises(ValueError, match=hint):
        parse_remote(text)


def row(**fields: object) -> Row:
    """Return a row for port 80."""
    return Row({"port": 80, "protocol": "tcp", **fields}, "line 2", "line 2, column {}")


def test_the_remote_hosts_of_a_row_decide_its_family() -> None:
    """As its address does."""
    (mapping,) = mappings_of(row(remote="2001:db8::/32"), "x")
    assert (mapping.family, str(mapping.remote)) == ("ipv6", "2001:db8::/32")


@pytest.mark.parametrize("fields", [{"family": "both"}, {"family": "ipv6"}, {"address": "fd00::5"}])
def test_remote_hosts_of_another_family_are_refused(fields: dict[str, object]) -> None:
    """The other family would be open to every host, or to none."""
    with pytest.raises(RowError, match="does not match"):
        mappings_of(row(remote="198.51.100.7", **fields), "x")


def test_a_value_that_is_not_text_is_refused() -> None:
    """Such as a number in JSON."""
    with pytest.raises(RowError) as caught:
        mappings_of(row(remote=7), "x")
    assert caught.value.field == "remote"
