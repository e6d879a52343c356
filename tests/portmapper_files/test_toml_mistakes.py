"""The message about a text that is not TOML says what to write."""

from __future__ import annotations

import pytest

from portmapper.api.errors import SourceError
from portmapper.api.source import FormatOptions
from portmapper_files.toml_format import TomlFormat


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("port = 1\nport = 2", "the key is written twice in this table: remove one (line 3)"),
        ("port = tcp", "text must be in double quotes (line 2)"),
        ("port: 80", "write = instead of : (line 2)"),
        ("port = 080", "a number cannot begin with 0 (line 2)"),
        ("port = 8080-8090", 'text must be in double quotes, such as "6000-6010" (line 2)'),
        ("port = 8080:80", 'text must be in double quotes, such as "6000-6010" (line 2)'),
        ("port = 80, protocol = 1", "write one key on each line, without , (line 2)"),
        ("port = 80;", "write one key on each line, without ; (line 2)"),
        ("// web", "a comment begins with # (line 2)"),
        ("port = \u201c80\u201d", 'write straight double quotes: " (line 2)'),
        ("port =", "a value is missing after = (line 2)"),
        ('comment = "web', "a quote is opened and never closed: close or remove it (line 2)"),
        ('comment = "C:\\Web"', "a backslash in a text must be written twice: \\\\ (line 2)"),
        ("port = [80", "a bracket is opened and never closed (line 3)"),
        ("[[mapping]\nport = 80", "close the name of the table, as in [[mapping]] (line 2)"),
        ("port", "write KEY = VALUE (line 2)"),
        ("port = 80\rprotocol = 1", "save the file with the line breaks of Unix or Windows (line 2)"),
    ],
)
def test_the_message_says_what_to_write(lines: str, error: str) -> None:
    """In our own words, with the line."""
    with pytest.raises(SourceError) as caught:
        list(TomlFormat().parse(f"[[mapping]]\n{lines}\n".encode(), FormatOptions()))
    assert str(caught.value) == f"not TOML: {error}"
