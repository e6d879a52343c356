"""A row is parsed strictly and expanded to mappings."""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import RowError, SourceError
from portmapper.api.field_names import FIELD_NAMES
from portmapper.api.model import ANY_PORT, ConflictPolicy, Family, Mapping, Protocol
from portmapper.api.source import Row
from portmapper.sources.row_parser import mappings_of, parse_row


def row(strict_keys: bool = False, **fields: object) -> Row:
    """Return a row as the CSV format yields it."""
    desired = {"port": "80", "protocol": "tcp", **fields}
    return Row(desired, "line 2", "line 2, column {}", strict_keys=strict_keys)


def only(desired: Row) -> Mapping:
    """Return the one mapping of a row."""
    (mapping,) = mappings_of(desired, "ports.csv")
    return mapping


def test_defaults() -> None:
    """Port and protocol are enough."""
    assert only(row()) == Mapping(Protocol.TCP, 80, 80, duration=3600, source="ports.csv")
    assert only(row()).where == "line 2"


def test_every_field_is_read() -> None:
    """Each field sets an attribute of the mapping."""
    mapping = only(
        row(
            address="192.168.0.10/24",
            duration="0",
            comment="web",
            internal_port="8080",
            family="IPv4",
            conflict="take",
            backend="pcp",
            enabled="yes",
        )
    )
    assert mapping.address == ipaddress.ip_network("192.168.0.0/24")
    assert mapping.written_address == "192.168.0.10/24"
    assert (mapping.duration, mapping.comment, mapping.internal_port) == (0, "web", 8080)
    assert (mapping.family, mapping.conflict, mapping.backend) == (Family.IPV4, ConflictPolicy.TAKE, "pcp")


@pytest.mark.parametrize("nothing", ["", None])
def test_an_empty_field_is_an_omitted_field(nothing: object) -> None:
    """CSV has empty cells, and JSON has null."""
    omitted = {name: nothing for name in FIELD_NAMES if name not in ("port", "protocol")}
    assert mappings_of(row(**omitted), "ports.csv") == mappings_of(row(), "ports.csv")


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("port", "80.9", "80.9"),
        ("port", 80.9, "80.9"),
        ("port", 80.0, "80.0"),
        ("port", "true", "true"),
        ("port", True, "true"),
        ("port", "80abc", "80abc"),
        ("port", "70000", "70000"),
        ("port", 70000, "70000"),
        ("port", "0", "0"),
        ("port", 0, "0"),
        ("port", -1, "-1"),
        ("port", "+80", "80"),
        ("port", " 80", " 80"),
        ("port", "٨٠", "٨٠"),
        ("port", "90-80", "90-80"),
        ("port", "80-70000", "80-70000"),
        ("port", "1-2-3", "1-2-3"),
        ("port", [80], "80"),
        pytest.param("port", 10**5000, "too long", id="port-huge"),
        ("protocol", "sctp", "sctp"),
        ("protocol", 6, "6"),
        ("protocol", ["tcp"], "tcp"),
        ("address", 192, "192"),
        ("address", "192.168.0/16", "192.168.0/16"),
        ("duration", "-1", "-1"),
        ("duration", "1 year", "1 year"),
        ("duration", "h", "h"),
        ("duration", 1.5, "1.5"),
        ("duration", True, "true"),
        ("duration", 2**32, "4294967296"),
        ("comment", 5, "5"),
        ("backend", "a\udcff", "'a\u00ff' is not valid UTF-8"),
        ("internal_port", "any", "any"),
        ("internal_port", "65536", "65536"),
        ("family", "ipv5", "ipv5"),
        ("conflict", "steal", "keep, next, overwrite, fail"),
        ("conflict", 5, "5"),
        ("port", "80/sctp", "80/sctp"),
        ("port", "80/", "80/"),
        ("protocol", "tcp/tcp", "tcp/tcp"),
        ("protocol", "tcp/udp/sctp", "one of TCP, UDP, BOTH"),
        ("address", "127.0.0.1", "loopback"),
        ("address", "::ffff:127.0.0.1", "loopback"),
        ("address", "::1", "loopback"),
        ("address", "224.0.0.1", "multicast"),
        ("address", "ff02::1", "multicast"),
        ("address", "255.255.255.255", "broadcast"),
        ("address", "250.1.2.3", "reserved"),
        ("address", "fe80::1", "link-local"),
        ("address", "0.0.0.1", "not the address of a host"),
        ("backend", False, "false"),
        ("port", "http", "write 80"),
        ("port", "8000:80", "write 8000 as port and 80 as internal_port"),
        ("port", "80,443", "a row for each port"),
        ("port", "8080.0", "write 8080"),
        ("port", "'8080", "write 8080"),
        ("port", '="8080"', "write 8080"),
        ("port", "\u200b8080", "write 8080"),
        ("protocol", "t\udcfccp", "'t\u00fccp' is not one of"),
        ("port", "80 tcp", "80 tcp"),
        ("port", "99999", "not a port (1-65535)"),
        ("port", "70000-70001", "not a range of ports (1-65535)"),
        ("port", "\uff18\uff10", "neither a port"),
        ("protocol", "tpc", "did you mean tcp?"),
        ("conflict", "nxt", "did you mean next?"),
        ("duration", "forever", "write 0"),
        ("duration", "9" * 14, "not in 0-4294967295 seconds"),
        ("address", "169.254.1.1", "link-local"),
        ("address", "localhost", "omit the address"),
        ("address", "nas.lan", "not its name"),
        ("address", "[2001:db8::1]", "omit the brackets"),
        ("address", "192.168.1.5:80", "in internal_port"),
        ("address", "http://192.168.1.5", "only the address"),
        ("enabled", "maybe", "maybe"),
        ("enabled", 2, "2"),
    ],
)
def test_a_wrong_value_is_quoted_in_the_error(field: str, value: object, shown: str) -> None:
    """The error contains the field and the value, and is one short line."""
    with pytest.raises(RowError) as caught:
        mappings_of(row(**{field: value}), "ports.csv")
    assert caught.value.field == field
    assert shown in caught.value.reason
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("field", ["port", "protocol"])
def test_the_error_names_a_missing_field(field: str) -> None:
    """A mapping requires a port and a protocol."""
    with pytest.raises(RowError, match=f"{field}: is missing"):
        mappings_of(row(**{field: ""}), "ports.csv")


@pytest.mark.parametrize("text", ["tcp/udp", "TCP+UDP", "udp, tcp", "tcp & udp", "tcp|udp", "Both"])
def test_both_protocols_have_several_spellings(text: str) -> None:
    """Routers and programs write them differently."""
    assert [m.protocol for m in mappings_of(row(protocol=text), "x")] == [Protocol.TCP, Protocol.UDP]


@pytest.mark.parametrize(
    ("port", "protocol", "count"),
    [("8080/udp", "", 1), ("8080/UDP", "udp", 1), ("80-81/tcp/udp", None, 4), ("80 / tcp", "", 1)],
)
def test_the_port_may_name_the_protocol(port: str, protocol: str | None, count: int) -> None:
    """As on the command line."""
    assert len(mappings_of(row(port=port, protocol=protocol), "x")) == count
    with pytest.raises(RowError, match="protocol: differs from the protocol in port"):
        mappings_of(row(port="80/udp", protocol="tcp"), "x")


@pytest.mark.parametrize(
    ("text", "family"),
    [("4", "ipv4"), ("v4", "ipv4"), ("inet", "ipv4"), ("6", "ipv6"), ("V6", "ipv6"), ("IPv6", "ipv6")],
)
def test_a_family_may_be_short(text: str, family: str) -> None:
    """A version number has only one meaning."""
    assert only(row(family=text)).family == family


@pytest.mark.parametrize("value", ["3600", 3600, "3600s", "60m", "1h", "1H", "30m 30m", "1 hour", "60 min"])
@pytest.mark.parametrize("name", ["lifetime", "duration"])
def test_a_lifetime_may_have_a_unit(name: str, value: object) -> None:
    """`duration` is its name in upnp-daemon."""
    assert only(row(**{name: value})).duration == 3600


def test_a_missing_field_may_have_another_name() -> None:
    """The message says which key or column was probably meant."""
    with pytest.raises(RowError, match=r"^port: is missing: rename 'Port' to port$"):
        mappings_of(Row({"Port": 80, "protocol": "tcp"}, "", ""), "x")
    with pytest.raises(RowError, match=r"^port: is missing: rename 'externalPort' to external_port$"):
        mappings_of(Row({"externalPort": 80, "protocol": "tcp"}, "", ""), "x")
    with pytest.raises(RowError, match=r"^protocol: is missing: rename 'proto' to protocol$"):
        mappings_of(Row({"port": 80, "proto": "tcp"}, "", ""), "x")


def test_the_name_of_a_preset_is_no_port() -> None:
    """It has its own field."""
    with pytest.raises(
        RowError, match=r"^port: 'Minecraft' is .*: it is a preset, write it in the field pre"
    ):
        mappings_of(Row({"port": "Minecraft"}, "", ""), "x")


def test_a_field_has_other_names() -> None:
    """The error uses the name in the row, and both names at once are an error."""
    assert only(Row({"external_port": 80, "protocol": "tcp"}, "", "")).port == 80
    with pytest.raises(RowError, match=r"^lifetime: 'x' is not a lifetime: write seconds or a unit"):
        mappings_of(row(lifetime="x"), "x")
    with pytest.raises(RowError, match="is the same field as"):
        mappings_of(row(lifetime=1, duration=1), "x")


@pytest.mark.parametrize(
    ("name", "policy"),
    [("keep", "own"), ("Own", "own"), ("overwrite", "take"), ("take", "take"), ("next", "next")],
)
def test_a_conflict_policy_has_an_earlier_name(name: str, policy: str) -> None:
    """Both are accepted."""
    assert only(row(conflict=name)).conflict == policy


def test_ranges_protocols_and_families_are_expanded() -> None:
    """One mapping for each port, protocol and family. Internal ports advance with the external ports."""
    expanded = mappings_of(row(port="6000-6001", protocol="both", family="both", internal_port=7000), "x")
    assert len(expanded) == 8
    assert {(m.port, m.internal_port) for m in expanded} == {(6000, 7000), (6001, 7001)}
    assert mappings_of(row(port="6000-6001", internal_port="7000-7001"), "x")[1].internal_port == 7001


@pytest.mark.parametrize("internal", ["65535", "7000-7002"])
def test_an_internal_range_must_fit(internal: str) -> None:
    """It must not exceed 65535 or have another length."""
    with pytest.raises(RowError, match="internal_port"):
        mappings_of(row(port="6000-6001", internal_port=internal), "x")


def test_port_any_requires_an_internal_port() -> None:
    """The gateway chooses the external port, but the internal port must be known."""
    assert only(row(port="any", internal_port="80")).port == ANY_PORT
    with pytest.raises(RowError, match="internal_port"):
        mappings_of(row(port="any"), "x")


def test_a_disabled_row_has_no_mappings() -> None:
    """It is still parsed, and its errors are reported."""
    assert mappings_of(row(enabled=False), "x") == []
    with pytest.raises(RowError):
        mappings_of(row(enabled="false", port="x"), "x")


def test_an_ipv6_address_makes_a_pinhole() -> None:
    """The family follows from the address; another family in the row is an error."""
    assert only(row(address="2001:db8::1")).family is Family.IPV6
    with pytest.raises(RowError, match="family: ipv4 does not match"):
        mappings_of(row(address="2001:db8::1", family="ipv4"), "x")


def test_an_unknown_key_is_an_error_only_if_keys_are_strict() -> None:
    """A misspelled key in TOML gets a suggestion; an extra column in CSV is ignored."""
    assert mappings_of(row(prot="x"), "x")
    with pytest.raises(RowError, match="did you mean duration") as caught:
        mappings_of(row(strict_keys=True, duraton=1), "x")
    assert caught.value.field == "duraton"


def test_control_characters_do_not_reach_the_gateway() -> None:
    """Line feeds and escapes in a comment become spaces."""
    assert only(row(comment="a\nb\x1bc\x9b")).comment == "a b c "


def test_a_row_of_too_many_mappings_fails_the_document() -> None:
    """The limit is checked before the row is expanded."""
    with pytest.raises(SourceError, match="more than"):
        mappings_of(row(port="1-65535", protocol="both"), "x")


def test_an_error_of_the_format_is_passed_on() -> None:
    """A row that could not be split has no invalid field."""
    with pytest.raises(RowError, match=r"^3 fields$"):
        parse_row(Row({}, "line 2", "", error="3 fields"))


_values = st.one_of(
    st.text(), st.none(), st.booleans(), st.integers(), st.floats(), st.lists(st.integers()), st.binary()
)


@given(st.dictionaries(st.sampled_from(FIELD_NAMES), _values), st.booleans())
def test_any_row_is_parsed_or_rejected(fields: dict[str, object], strict_keys: bool) -> None:
    """The only errors are those of the vocabulary."""
    message = ""
    try:
        mappings_of(Row(fields, "[0]", "[0].{}", strict_keys), "x")
    except (RowError, SourceError) as error:
        message = str(error)
    assert "\n" not in message


def test_the_times_of_a_row_are_read() -> None:
    """Values of JSON and TOML are accepted like text."""
    end = datetime(2026, 12, 31, 18, tzinfo=UTC)
    mapping = only(row(when="Listening", until="2026-12-31T18:00:00Z", schedule="Sat,Sun 18:00-23:59"))
    assert (mapping.when_listening, mapping.until, mapping.schedule) == (True, end, "Sat,Sun 18:00-23:59")
    mapping = only(row(when="always", until=end, schedule=["Mon 08:00-09:00", "Tue 10:00-11:00"]))
    assert (mapping.when_listening, mapping.until) == (False, end)
    assert mapping.schedule == "Mon 08:00-09:00; Tue 10:00-11:00"


@pytest.mark.parametrize(
    ("protocol", "given", "expected"),
    [("both", None, True), ("tcp", None, False), ("both", "false", False), ("udp", True, True)],
)
def test_a_row_for_both_protocols_needs_one_number(protocol: str, given: object, expected: bool) -> None:
    """Unless `same_port` says otherwise; two rows can be a pair, too."""
    assert {m.same_port for m in mappings_of(row(protocol=protocol, same_port=given), "")} == {expected}


@pytest.mark.parametrize(
    ("field", "value", "hint"),
    [
        ("when", "sometimes", "'sometimes' is not one of listening, always"),
        ("until", "tomorrow", "write a date and time with its zone"),
        ("schedule", "weekends", "write days and local times"),
        ("schedule", ["Sat 18:00-23:59", 7], "7 is not text"),
        ("same_port", "maybe", "'maybe' is neither true nor false"),
    ],
)
def test_an_invalid_time_says_what_to_write(field: str, value: object, hint: str) -> None:
    """The error names the field."""
    with pytest.raises(RowError, match=re.escape(hint)) as raised:
        parse_row(row(**{field: value}))
    assert raised.value.field == field
