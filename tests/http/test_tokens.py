"""Tokens at rest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portmapper.api.errors import PortmapperError, UsageError
from portmapper.http.tokens import FILE_NAME, Tokens


def test_the_file_has_only_hashes_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """A backup of the state directory allows no login."""
    secret = Tokens(tmp_path).create("phone", read_only=True)
    path = tmp_path / FILE_NAME
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_another_process_sees_a_change_at_once(tmp_path: Path) -> None:
    """The daemon reads the file that the command line wrote."""
    daemon, command = Tokens(tmp_path), Tokens(tmp_path)
    assert daemon.find("x") is None
    secret = command.create("phone", read_only=False)
    found = daemon.find(secret)
    assert found is not None
    assert (found.name, found.read_only) == ("phone", False)
    command.revoke("phone")
    assert daemon.find(secret) is None


def test_names_are_unique_and_valid(tmp_path: Path) -> None:
    """Without a name, there is always a free one."""
    tokens = Tokens(tmp_path)
    assert tokens.free_name() == "token-1"
    tokens.create("token-1", read_only=False)
    assert tokens.free_name() == "token-2"
    for name in ("token-1", "", "x" * 65, "a\nb"):
        with pytest.raises(UsageError):
            tokens.create(name, read_only=False)
    with pytest.raises(UsageError, match="no token named 'x'; known: token-1"):
        tokens.revoke("x")


@pytest.mark.parametrize("content", ["", "{}", "[", "\x00"])
def test_a_damaged_file_allows_no_request(tmp_path: Path, content: str) -> None:
    """The error names the file and what to do."""
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(PortmapperError, match=f"{FILE_NAME} is damaged: remove the file"):
        Tokens(tmp_path).find("x")


def test_a_damaged_entry_is_ignored(tmp_path: Path) -> None:
    """The others stay valid."""
    tokens = Tokens(tmp_path)
    secret = tokens.create("phone", read_only=False)
    entries = json.loads((tmp_path / FILE_NAME).read_text())
    damaged = [None, 7, {}, {**entries[0], "hash": None}, {**entries[0], "read_only": "no"}]
    (tmp_path / FILE_NAME).write_text(json.dumps([*damaged, *entries]))
    assert [token.name for token in tokens.known] == ["phone"]
    assert tokens.find(secret) is not None


def test_a_directory_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    """The token is not printed then."""
    (tmp_path / "file").touch()
    with pytest.raises(PortmapperError, match=r"cannot (read|write)"):
        Tokens(tmp_path / "file" / "state").create("phone", read_only=False)
