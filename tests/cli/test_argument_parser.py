"""Mistakes on the command line."""

from __future__ import annotations

import pytest

from portmapper.cli.main import main


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["run", "--gatway", "192.168.1.1"], "did you mean --gateway?"),
        (["run", "--onshot", "x.csv"], "did you mean --oneshot?"),
        (["status", "--whatch=1"], "did you mean --watch?"),
        (["run", "--conflict", "nxt"], "did you mean next?"),
        (["status", "--zzzzzzzzz"], "see 'portmapper status --help'"),
        (["open"], "see 'portmapper open --help'"),
    ],
)
def test_a_mistake_is_one_line_with_a_suggestion(
    words: list[str], suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit status is 2."""
    with pytest.raises(SystemExit) as done:
        main(words)
    assert done.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"portmapper {words[0]}: ")
    assert line.endswith(suggestion)
