"""JSON documents."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import SourceError
from portmapper.api.source import FormatOptions, Row
from portmapper_files.json_format import JsonFormat


def parse(content: bytes | str) -> list[Row]:
    """Parse a whole document."""
    raw = content.encode() if isinstance(content, str) else content
    return list(JsonFormat().parse(raw, FormatOptions()))


def test_an_object_becomes_a_row_with_its_index() -> None:
    """Indexes start at 0; the row parser handles unknown keys."""
    _, row = parse('[{}, {"port": 80, "protocol": "TCP", "owner": null}]')
    assert row.fields == {"port": 80, "protocol": "TCP", "owner": None}
    assert (row.where, row.field_where, row.strict_keys) == ("[1]", "[1].{}", False)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read(encoding: str) -> None:
    """PowerShell's `>` writes it."""
    (row,) = parse('[{"port": 80, "comment": "Büro"}]'.encode(encoding))
    assert row.fields == {"port": 80, "comment": "Büro"}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("// ports\n[]", r"cannot contain comments.*line 1"),
        ('[{"port": 80, // web\n"protocol": "tcp"}]', r"cannot contain comments.*line 1"),
        ('[{"port": 80}\n# web\n]', r"cannot contain comments.*line 2"),
        ('[{"port": 80} /* web */]', "cannot contain comments"),
        ('[{"port": 80},]', "remove the comma"),
        ("[{'port': 80}]", "double quotes"),
        ('[{"port": 80', "ends too early"),
        ("[[mapping]]\nport = 80", "looks like TOML, use --format toml"),
        ("port;protocol\n80;tcp", "looks like CSV, use --format csv"),
        ('{"mappings": [{"port": 80}]}', "its key 'mappings' probably holds the list"),
        ('{"version": 1, "data": {"ports": [{"port": 80}]}}', "its key 'data.ports' probably holds"),
        ('{"port": 80, "protocol": "tcp"}', "write it in brackets"),
        ('{"8080": "tcp"}', r"it is an object with the keys '8080': write \[{"),
    ],
)
def test_the_message_names_the_cause(content: str, error: str) -> None:
    """People write what other programs accept."""
    with pytest.raises(SourceError, match=error):
        parse(content)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ('[{"port": 80 "protocol": "tcp"}]', "a comma is missing (line 1, column 14)"),
        ('[{"port": 80; "protocol": "tcp"}]', "write a comma instead of ; (line 1, column 13)"),
        ("[{port: 80}]", "a key must be in double quotes (line 1, column 3)"),
        ('[{"port" 80}]', "a colon must follow the key (line 1, column 10)"),
        ('[{"port: 80}]', "a double quote is opened and never closed: close or remove it (line 1, column 3)"),
        ('[{"port": 080}]', "a number has decimal digits and does not begin with 0 (line 1, column 12)"),
        ('[{"port": 6000-6010}]', "a range, or a port with its protocol, must be in double quotes"),
        ('[{"port": True}]', "write true instead of True (line 1, column 11)"),
        ('[{"port": tcp}]', "text must be in double quotes (line 1, column 11)"),
        ('[{"port": }]', "a value is missing (line 1, column 11)"),
        ("[{\u201cport\u201d: 80}]", 'write straight double quotes: " (line 1, column 3)'),
        ('[{"comment": "a\tb"}]', "text contains a line break or a tab"),
        ('[{"comment": "C:\\Web"}]', "a backslash in a text must be written twice"),
        ("[] x", "text follows the end of the list: remove it (line 1, column 4)"),
        ('[\n{"port": NaN}]', "NaN is not a JSON value: write a number (line 2)"),
    ],
)
def test_the_message_says_what_to_write(content: str, error: str) -> None:
    """In our own words, not in those of Python's parser."""
    with pytest.raises(SourceError) as caught:
        parse(content)
    assert str(caught.value).startswith(f"not JSON: {error}")


def test_a_row_knows_its_line() -> None:
    """People count lines, not elements; a text may contain anything."""
    rows = parse('\n[ {"port":\n 80}, \n5\n,\n{"comment": "],\\n[{", "a": [1,\n2]}, {}]')
    assert [row.line for row in rows] == [2, 4, 6, 7]


def test_an_empty_array_is_an_empty_list() -> None:
    """As in upnp-daemon; a byte order mark is ignored."""
    assert parse("[]") == parse("\ufeff [ ]\n") == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("{}", "not a JSON array"),
        ('{"port": 80}', "not a JSON array"),
        ("80", "not a JSON array"),
        ("[", r"line 1, column 2"),
        ("[{}", r"line 1, column 4"),
        ('[{"port": NaN}]', "NaN"),
        ("[-Infinity]", "-Infinity"),
        ("[" + "9" * 5000 + "]", "not JSON"),
        ("[" * 100_000, "nested too deep"),
        ('[{"a":' * 100_000, "nested too deep"),
        (b"[\xff]", "not UTF-8"),
        (b'[{"port"\0: 80}]', "not JSON: binary data, with a NUL byte in line 1"),
        ("[" + "[]," * 500_000 + "[]]", "more than"),
        ("[" + "0," * 1_000_000 + "0]", "more than"),
        ("port;protocol\n80;TCP", "not JSON"),
        ("null", "it is null: write \\[\\] for an empty list"),
        ('{"port": 80}\n{"port": 81}', "objects follow each other"),
        ("<!DOCTYPE html><html>", "it is a web page"),
        ("ports:\n  - 80\n", "looks like YAML"),
        (b"\x1f\x8b\0\0", "this is a compressed file"),
    ],
    ids=range(22),
)
def test_an_invalid_document_is_an_error(content: bytes | str, error: str) -> None:
    """A one-line error, with the position if there is one."""
    with pytest.raises(SourceError, match=error) as caught:
        parse(content)
    assert str(caught.value).isprintable()


def test_a_repeated_key_affects_only_its_object() -> None:
    """JSON would use the second value and say nothing."""
    bad, good = parse('[{"port": 80, "port": 81}, {"port": 82}]')
    assert bad.error == "has the key 'port' twice: remove one"
    assert good.error == ""


@pytest.mark.parametrize("element", ["1", "null", '"x"', "[]", "[[[[[[[[[[[[]]]]]]]]]]]]"])
def test_an_element_that_is_no_object_affects_only_itself(element: str) -> None:
    """The other elements are valid."""
    bad, good = parse(f'[{element}, {{"port": 80}}]')
    assert "is not an object" in bad.error
    assert good.error == ""


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.one_of(st.binary(), st.text(alphabet='[]{}",:1e9 \\u').map(str.encode), _json.map(json.dumps)))
def test_any_bytes_are_parsed_or_rejected(content: bytes | str) -> None:
    """The only possible error is SourceError."""
    message = ""
    try:
        parse(content)
    except SourceError as error:
        message = str(error)
    assert message.isprintable()


def test_a_text_in_place_of_an_object_shows_what_to_write() -> None:
    """A port with its protocol needs no other key."""
    (row,) = parse('["8080/tcp"]')
    assert row.error == """'8080/tcp' is not an object: write {"port": "8080/tcp"}"""
