"""Headers that the user configured."""

from __future__ import annotations

from pathlib import Path

import pytest

from portmapper.api import SourceError
from portmapper_http.headers import read_headers


def test_a_file_has_one_header_per_line(tmp_path: Path) -> None:
    """Blank lines and comments are skipped."""
    file = tmp_path / "headers"
    file.write_text("# token\nAuthorization: Bearer a:b\n\nX-Key:  1 \n")
    assert read_headers(str(file)) == {"Authorization": "Bearer a:b", "X-Key": "1"}


def test_the_environment_may_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any variable, and for all URLs in one."""
    monkeypatch.setenv("MINE", "X-Key: 1")
    assert read_headers("env:MINE") == {"X-Key": "1"}
    assert read_headers("") == {}
    monkeypatch.setenv("PORTMAPPER_HTTP_HEADERS", "X-Key: 2")
    assert read_headers("") == {"X-Key": "2"}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("Bearer s3cret", "line 1 is not 'Name: value'"),
        ("\nA b: s3cret", "line 2 is not 'Name: value'"),
        ("X: s3cret\x00", "line 1 is not 'Name: value'"),
        ("Host: s3cret", "the header Host cannot be set"),
    ],
)
def test_an_invalid_line_is_an_error_without_the_value(tmp_path: Path, content: str, reason: str) -> None:
    """It may be a secret."""
    file = tmp_path / "headers"
    file.write_text(content)
    with pytest.raises(SourceError, match=reason) as caught:
        read_headers(str(file))
    assert "s3cret" not in str(caught.value)


def test_a_file_of_powershell_is_read(tmp_path: Path) -> None:
    """It is UTF-16 with a byte order mark."""
    file = tmp_path / "headers"
    file.write_text("Authorization: Bearer s3cret\r\n", encoding="utf-16")
    assert read_headers(str(file)) == {"Authorization": "Bearer s3cret"}


def test_a_missing_file_or_variable_is_an_error() -> None:
    """The message names the setting."""
    with pytest.raises(SourceError, match="headers_file: cannot be read: No such file"):
        read_headers("/nonexistent/headers")
    with pytest.raises(SourceError, match="variable MISSING_HEADERS is not set"):
        read_headers("env:MISSING_HEADERS")
