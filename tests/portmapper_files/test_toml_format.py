"""TOML documents."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import SourceError
from portmapper.api.source import FormatOptions, Row
from portmapper.config.loader import KEYS
from portmapper_files.toml_format import TomlFormat
from portmapper_files.toml_rows import SETTINGS


def parse(content: bytes | str) -> list[Row]:
    """Parse a whole document."""
    raw = content.encode() if isinstance(content, str) else content
    return list(TomlFormat().parse(raw, FormatOptions()))


def test_a_table_becomes_a_row_with_its_index() -> None:
    """Its keys are strict."""
    first, second = parse('[[mapping]]\nport = 80\nprotocol = "TCP"\n[[mapping]]\nport = "1-2"\n')
    assert first.fields == {"port": 80, "protocol": "TCP"}
    assert (second.where, second.field_where, second.strict_keys) == ("mapping[1]", "mapping[1].{}", True)


@pytest.mark.parametrize("content", ["", "\ufeff", "mapping = []"])
def test_nothing_is_an_empty_list(content: str) -> None:
    """A document without tables has no mappings."""
    assert parse(content) == []


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("[[maping]]\nport = 1", "'maping', did you mean mapping"),
        ("port = 80", r"'port': write \[\[mapping\]\] above it"),
        ("[mapping]\nport = 80", r"write \[\[mapping\]\]"),
        ("mapping = 3", r"write \[\[mapping\]\]"),
        ("# nothing\n", r"no \[\[mapping\]\] table: for an empty list, write mapping = \[\]"),
        ("a = " + "[" * 100_000, "nested too deep"),
        ("a." * 100_000 + "b = 1", "a key has more than 32 parts"),
        ("['a' . " + "'b' . " * 100 + "'c']", "a key has more than 32 parts"),
        ("[[mapping]]\nport = " + "9" * 5000, "not TOML"),
        ("#" * (2 * 1024 * 1024 + 1), "larger than 2 MiB"),
        (b"a = '\xff'", "not UTF-8"),
        (b"[[map\0ping]]", "not TOML: binary data, with a NUL byte in line 1"),
        ('[{"port": 80}]', "looks like JSON, use --format json"),
        ("port;protocol\n80;tcp\n", "looks like CSV, use --format csv"),
        ("<html>", "it is a web page"),
        ("- port: 80\n", "looks like YAML"),
        ("[[mapping]]\nport = 80\nprotocol = tcp\n", r"in double quotes \(line 3\)"),
        (b"PK\x03\x04\0\0", "this is a ZIP archive"),
        ("ports = [80]\n", r"unknown table or key 'ports': write each mapping below a line \[\[mapping\]\]"),
    ],
    ids=range(19),
)
def test_an_invalid_document_is_an_error(content: bytes | str, error: str) -> None:
    """A one-line error, with the nearest valid name."""
    with pytest.raises(SourceError, match=error) as caught:
        parse(content)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "text", ['conflict = "next"', "sources = []", "[[policy]]\naction = 'deny'", "[log]"]
)
def test_the_settings_file_is_no_list(text: str) -> None:
    """The message names the option for it."""
    with pytest.raises(SourceError, match=r"this is a settings file .*: use --config"):
        parse(text)


def test_a_row_knows_the_line_of_its_table() -> None:
    """Other ways to write a table, and a header inside a text, make the lines unknown."""
    text = "# x\n[[mapping]]\nport = 80\n\n [[ 'mapping' ]] # y\nport = 81\n"
    assert [row.line for row in parse(text)] == [2, 5]
    assert [row.line for row in parse("mapping = [{}, {}]")] == [0, 0]
    assert [row.line for row in parse('[[mapping]]\ncomment = """\n[[mapping]]\n"""')] == [0]


def test_every_settings_key_is_known() -> None:
    """A list has only `mapping`."""
    assert {*KEYS, "hook", "webhook", "metrics"} - {"mapping"} <= SETTINGS


def test_bytes_in_a_comment_need_not_be_utf_8() -> None:
    """An editor on Windows writes cp1252."""
    (row,) = parse(b"# B\xfcro\n[[mapping]]\nport = 80\n")
    assert row.fields == {"port": 80}


def test_an_element_that_is_no_table_affects_only_itself() -> None:
    """The other elements are valid."""
    bad, good = parse("mapping = [1, {port = 80}]")
    assert bad.error == "1 is not a table"
    assert good.fields == {"port": 80}


@pytest.mark.parametrize("text", ["x" * 1_000_000, '"' * 500_000, "a b " * 300_000, "a'" * 500_000])
def test_the_check_for_long_keys_takes_linear_time(text: str) -> None:
    """A megabyte is checked at once; a quadratic check would exceed the test's time limit."""
    with pytest.raises(SourceError):
        parse(text)


@given(st.one_of(st.binary(), st.text(alphabet="[]maping=.\"'{}\n1-:T, ").map(str.encode)))
def test_any_bytes_are_parsed_or_rejected(content: bytes) -> None:
    """The only possible error is SourceError."""
    message = ""
    try:
        parse(content)
    except SourceError as error:
        message = str(error)
    assert message.isprintable()
