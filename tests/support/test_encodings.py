"""Text files of any system are decoded."""

from __future__ import annotations

import pytest

from portmapper.support.encodings import as_utf8, decoded, encoding_of, in_windows_letters

TEXT = "port;protocol;comment\r\n8080;tcp;Büro\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_recognized(encoding: str) -> None:
    """With a byte order mark, or without one by its zero bytes."""
    assert decoded(TEXT.encode(encoding)) == TEXT


def test_other_bytes_become_letters_of_windows() -> None:
    """Old editors write cp1252; the bytes survive until the letters are asked for."""
    assert in_windows_letters(decoded(TEXT.encode("cp1252"))) == TEXT


def test_a_single_zero_byte_is_damage() -> None:
    """It does not make the rest UTF-16."""
    assert encoding_of(b"8080;tcp;web\0server") == "utf-8"


def test_damaged_utf_16_is_an_error() -> None:
    """Half a character is missing."""
    with pytest.raises(ValueError, match="damaged UTF-16 text"):
        decoded(TEXT.encode("utf-16")[:-1])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_secret_of_powershell_is_the_typed_one(encoding: str) -> None:
    """`echo secret > file` writes UTF-16 there."""
    assert as_utf8("sécret\r\n".encode(encoding)) == "sécret\r\n".encode()


@pytest.mark.parametrize("secret", [b"", b"\xff\xfe\x01", b"\x00s\x00e", bytes(range(256))])
def test_a_binary_secret_stays_as_it_is(secret: bytes) -> None:
    """Only text with a byte order mark is decoded."""
    assert as_utf8(secret) == secret
