"""CSV documents as upnp-daemon's users write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper.api.errors import SourceError
from portmapper.api.source import FormatOptions, Row
from portmapper_files.csv_format import CsvFormat


def parse(content: bytes | str, delimiter: str = ";") -> list[Row]:
    """Parse a whole document."""
    raw = content.encode() if isinstance(content, str) else content
    return list(CsvFormat().parse(raw, FormatOptions(csv_delimiter=delimiter)))


def test_a_record_becomes_a_row_with_its_line() -> None:
    """The header is line 1."""
    (row,) = parse("address;port;protocol;duration;comment\n192.168.0.10;80;TCP;60;Test 1\n")
    assert row.fields == {
        "address": "192.168.0.10",
        "port": "80",
        "protocol": "TCP",
        "duration": "60",
        "comment": "Test 1",
    }
    assert (row.where, row.field_where) == ("line 2", "line 2, column {}")


@pytest.mark.parametrize("content", ["", "\n", "\r\n\r\n", "  \n", "\ufeff", "port;protocol\n"])
def test_nothing_is_an_empty_list(content: str) -> None:
    """As in upnp-daemon, an empty document has no mappings."""
    assert parse(content) == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_utf_16_is_read(encoding: str, delimiter: str) -> None:
    """Excel's "Unicode text" and PowerShell's `>` write it; Excel separates by tabs."""
    text = "# Büro\nport;protocol;comment\n8080;tcp;Büro\n".replace(";", delimiter)
    (row,) = parse(text.encode(encoding))
    assert row.fields == {"port": "8080", "protocol": "tcp", "comment": "Büro"}
    assert row.where == "line 3"


def test_comments_are_skipped() -> None:
    """A line that begins with # is a comment, but not inside quotes, and its quotes have no meaning."""
    text = '# my;"ports\nport;protocol;comment\n # it\'s\n80;tcp;"two\n# lines"\n#81;tcp;x\n82;tcp;y\n'
    rows = parse(text)
    assert [(row.where, row.fields["port"]) for row in rows] == [("line 4", "80"), ("line 7", "82")]
    assert rows[0].fields["comment"] == "two\n# lines"


def test_blank_cells_and_spaces_are_ignored() -> None:
    """People align columns, and spreadsheets write rows of empty cells."""
    first, second = parse('Port: ; *Protocol;Internal Port\n 80 ; tcp ; \n;;\n81; "udp";82;;\n')
    assert first.fields == {"port": "80", "protocol": "tcp", "internal_port": ""}
    assert second.fields == {"port": "81", "protocol": "udp", "internal_port": "82"}


@pytest.mark.parametrize("mark", ["\u200b", "\ufeff", "\u2060", "\u00ad", "\u00a0", "\u3000", "\x1a"])
def test_invisible_characters_around_a_value_are_ignored(mark: str) -> None:
    """Pages and word processors insert them; DOS ends a file with Ctrl-Z."""
    (row,) = parse(f"{mark}port{mark};protocol\n{mark}80{mark};tcp{mark}\n{mark}")
    assert row.fields == {"port": "80", "protocol": "tcp"}


def test_the_protocol_may_be_part_of_the_port() -> None:
    """Then no column is required for it."""
    (row,) = parse("external_port\n8080/tcp\n")
    assert row.fields == {"external_port": "8080/tcp"}


def test_any_column_order_and_unknown_columns() -> None:
    """Columns are found by name, with or without surrounding blanks."""
    (row,) = parse("owner; protocol;port\nme;udp;53")
    assert (row.fields["port"], row.fields["protocol"]) == ("53", "udp")


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_are_counted_as_an_editor_does(newline: str) -> None:
    """Blank lines and lines inside quotes count; a record is named by its first line."""
    lines = ["port;protocol;comment", "", '1;tcp;"two', 'lines"', " ", "2;tcp;x"]
    assert [row.where for row in parse(newline.join(lines))] == ["line 3", "line 6"]


def test_quotes() -> None:
    """A quoted field may contain the delimiter and doubled quotes."""
    (row,) = parse('port;protocol;comment\n80;TCP;"a;""b"""\n')
    assert row.fields["comment"] == 'a;"b"'


def test_a_byte_order_mark_is_no_part_of_the_header() -> None:
    """Spreadsheets write one."""
    assert parse("\ufeffport;protocol\n80;TCP")[0].fields["port"] == "80"


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_the_line_of_excel_names_the_delimiter(delimiter: str) -> None:
    """`sep=;` precedes the header."""
    text = f"sep={delimiter}\r\nport{delimiter}protocol\r\n80{delimiter}TCP\r\n"
    assert parse(text)[0].fields == {"port": "80", "protocol": "TCP"}


def test_tabs_need_no_option() -> None:
    """Spreadsheets write them in `.tsv` files; a header with the chosen delimiter keeps it."""
    text = "# my ports\n\nport\tprotocol\tcomment\n80\tTCP\ta;b\n"
    assert parse(text)[0].fields == {"port": "80", "protocol": "TCP", "comment": "a;b"}
    assert parse("port;protocol;a\tb\n80;TCP;x")[0].fields["protocol"] == "TCP"


def test_a_nul_byte_affects_only_its_line() -> None:
    """A damaged disk or a half-written file; the message names the line."""
    bad, good = parse("port;protocol\n80;t\0cp\n81;tcp\n")
    assert (bad.where, bad.error) == ("line 2", "contains a NUL byte: remove it")
    assert good.fields["port"] == "81"


@pytest.mark.parametrize("delimiter", [",", "\t", "|", "§"])
def test_another_delimiter(delimiter: str) -> None:
    """Any single character."""
    assert parse(f"port{delimiter}protocol\n80{delimiter}TCP", delimiter)[0].fields["protocol"] == "TCP"


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("port,protocol\n80,TCP", r"line 1: no column port in the header 'port,protocol'.*looks like ','"),
        ("port|protocol\n", r"use --csv-delimiter '\|'"),
        ("8080/tcp # web\n", "add a first line that names the columns, such as port;protocol;comment"),
        ("<?xml version='1.0'?><ports/>", "it looks like XML: write the list as CSV, JSON or TOML"),
        ("port;Port:;protocol\n1;2;TCP", "two columns 'port' in the header: rename or remove one"),
        ("port,protocol;comment\n80,TCP;x", "separate all columns with ';', such as port;protocol;comment"),
        ("8080 tcp\n", "separate all columns with ';'"),
        ("8080/tcp\n", "add a first line that names the columns, such as port$"),
        ("8080:80\n", "add a first line that names the columns"),
        ("Anschluss;Protokoll\n80;TCP", "rename the column 'anschluss' to port"),
        ("Puerto;Protocolo\n80;TCP", "rename the column 'puerto' to port"),
        ("port;protocole\n80;TCP", "rename the column 'protocole' to protocol"),
        ("address;protocol\n;TCP", "no column port in the header 'address;protocol'; known: port"),
        ("address;pot;protocol\n", "no column port in the header .*: rename the column 'pot' to port"),
        ("port;proto\n80;tcp", "no column protocol in the header 'port;proto': rename the column 'proto'"),
        ("external;internal;proto\n80;80;tcp", "rename the column 'external' to port"),
        ("name;ext port;proto\nx;80;tcp", "rename the column 'ext_port' to port"),
        ("端口;协议\n80;tcp", "rename the column '端口' to port"),
        ("port;protocol # mine\n80;tcp", "no column protocol .*: write the comment on its own line"),
        ('"port","protocol"\n"80","tcp"', "looks like ',': use --csv-delimiter ','"),
        ("| port | protocol |\n|---|---|\n| 80 | tcp |\n", "looks like a table in Markdown"),
        ("[web]\nport=80\n", "looks like an INI file: write the list as CSV, JSON or TOML"),
        ("8080;tcp;web server\n", "in the header '8080;tcp;web server': add a first line that names the"),
        ("Port Number;Proto\n80;tcp", "rename the column 'port_number' to port"),
        ("port\n80\n", "add the column protocol, or write each port as in 8080/tcp"),
        ("ports:\n  - 80:80\n", "looks like YAML"),
        ("<html><body>", "it is a web page"),
        ("- port: 80\n", "looks like YAML"),
        (b"PK\x03\x04\0\0", "this is a ZIP archive: extract the list first"),
        (b"PK\x03\x04\0\0xl/workbook.xml", "this is an Excel workbook: save it as CSV"),
        (b"%PDF-1.4\n", "this is a PDF document"),
        ("# only a comment\n", "no header: the first line must name the columns"),
        ("[[mapping]]\nport = 80\n", "looks like TOML, use --format toml"),
        ('conflict = "next"\n', "looks like TOML, use --format toml"),
        ('[{"port": 80}]', "looks like JSON, use --format json"),
        ("port\n80", "no column protocol"),
        ("port;protocol" + ";" * 255, "more than 256 columns"),
        (";" * 70_000 + "\nport;protocol\n80;TCP\n", "line 1: longer than 65536"),
        ("port;port;protocol\n1;2;TCP", "two columns 'port'"),
        ('port;protocol\n80;"TCP\n81;UDP\n', "line 2: a quote is opened and never closed"),
        (b"\0port;protocol\n80;TCP", "line 1: binary data, not CSV"),
        (b"\x7fELF\x02\x01\x01\0\0", "this is a program, not a list"),
        (bytes(range(1, 256)), "line 1: binary data, not CSV"),
        ("port;pin\n80;1".encode("utf-16"), "no column protocol"),
    ],
)
def test_an_invalid_document_is_an_error(content: bytes | str, error: str) -> None:
    """A one-line error, with a hint if the delimiter is wrong."""
    with pytest.raises(SourceError, match=error) as caught:
        parse(content)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("cells", "error"),
    [
        ("80", "1 field, the header has 3: write ';' between two fields, also for an empty one"),
        ("80;TCP;x;y", "4 fields, the header has 3: put a value that contains ';' in double quotes"),
        ('80;"T"CP;x', "text follows a closing quote"),
        ("// web server", "a comment begins with #"),
        ("Port;Protocol;Comment", "the names of the columns again: remove this line"),
    ],
)
def test_an_invalid_record_affects_only_itself(cells: str, error: str) -> None:
    """Too few fields, too many, a stray quote, or a comment of another language."""
    bad, good = parse(f"port;protocol;comment\n{cells}\n81;TCP;x\n")
    assert bad.error.startswith(error)
    assert bad.where == "line 2"
    assert good.error == ""


LONG = 70_000 * "x"


@pytest.mark.parametrize(
    ("record", "line"),
    [
        (f"81;TCP;{LONG}", 3),
        (LONG, 3),
        (f'81;TCP;"{LONG}"', 3),
        (f'81;TCP;"{LONG}\nmore"', 3),
        (f'81;TCP;"more\n{LONG}"', 4),
        (f'81;TCP;"more\n{LONG}\nmore"', 4),
    ],
)
def test_a_line_that_is_too_long_costs_only_its_record(record: str, line: int) -> None:
    """Also within quotes; the rows before and after it are read."""
    first, bad, last = parse(f"port;protocol;comment\n80;TCP;a\n{record}\n82;TCP;b\n")
    assert (first.fields["port"], last.fields["port"]) == ("80", "82")
    assert (bad.where, bad.error) == (f"line {line}", "longer than 65536 characters")


def test_a_comment_may_be_long() -> None:
    """It costs nothing."""
    (row,) = parse(f"port;protocol\n# {LONG}\n80;TCP\n")
    assert row.fields["port"] == "80"


def test_bytes_that_are_not_utf_8_affect_only_their_row() -> None:
    """They become surrogates, which no field accepts."""
    rows = parse(b"port;protocol;comment\n80;TCP;caf\xe9\n81;TCP;caf\xc3\xa9\n")
    assert [row.fields["comment"] for row in rows] == ["caf\udce9", "café"]


@given(st.one_of(st.binary(), st.text(alphabet='port;cl"\n\r,8\t').map(str.encode)), st.sampled_from(";,\t"))
def test_any_bytes_are_parsed_or_rejected(content: bytes, delimiter: str) -> None:
    """The only possible error is SourceError."""
    message = ""
    try:
        parse(content, delimiter)
        parse(b"port;protocol\n" + content)
    except SourceError as error:
        message = str(error)
    assert message.isprintable()
