"""`portmapper web`: tokens are created, listed and revoked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portmapper.cli.main import main
from portmapper.http.tokens import Tokens


def test_a_token_is_printed_once_and_can_be_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the token is on standard output, so a script can use it."""
    state = ["--state-dir", str(tmp_path)]
    assert main(["web", "token", "--name", "phone", "--read-only", *state]) == 0
    printed = capsys.readouterr()
    secret = printed.out.strip()
    assert secret.startswith("pm_")
    assert "not shown again" in printed.err
    token = Tokens(tmp_path).find(secret)
    assert token is not None
    assert (token.name, token.read_only) == ("phone", True)
    assert main(["web", "tokens", *state]) == 0
    listed = capsys.readouterr().out
    assert listed.startswith("phone  read-only  created ")
    assert secret not in listed
    assert main(["web", "revoke", "phone", *state]) == 0
    assert Tokens(tmp_path).find(secret) is None


def test_tokens_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name, the next free one is used."""
    state = ["--json", "--state-dir", str(tmp_path)]
    created: list[dict[str, Any]] = []
    for _ in range(2):
        assert main(["web", "token", *state]) == 0
        created.append(json.loads(capsys.readouterr().out))
    assert [token["name"] for token in created] == ["token-1", "token-2"]
    assert main(["web", "tokens", *state]) == 0
    assert [token["name"] for token in json.loads(capsys.readouterr().out)] == ["token-1", "token-2"]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("revoke",), "needs the name of a token; 'portmapper web tokens' lists the names"),
        (("tokens", "x"), "takes no name"),
        (("token", "x"), "portmapper web token --name x"),
        (("tokens", "--read-only"), "belong to 'portmapper web token'"),
        (("revoke", "x"), "no token named 'x'; known: none"),
        (("token", "--name", ""), "is not a name"),
    ],
)
def test_an_invalid_call_is_a_usage_error(
    words: tuple[str, ...], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of one line."""
    assert main(["web", *words, "--state-dir", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert reason in error
    assert len(error.splitlines()) == 1
