"""Mistakes on the command line."""

from __future__ import annotations

import pytest

from portmapper.cli.main import main
from portmapper.cli.mistakes import hint, in_plain_words


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["run", "--gatway", "192.168.1.1"], "did you mean --gateway?"),
        (["run", "--onshot", "x.csv"], "did you mean --oneshot?"),
        (["status", "--whatch=1"], "did you mean --watch?"),
        (["run", "--conflict", "nxt"], "did you mean next?"),
        (["open", "80", "--ttl", "60"], "did you mean --lifetime?"),
        (["run", "--once"], "did you mean --oneshot?"),
        (["status", "--zzzzzzzzz"], "see 'portmapper status --help'"),
        (["open"], "is missing; for example: portmapper open 8080"),
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


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("convert", "SOURCE is missing; for example: portmapper convert ports.csv --to toml"),
        ("hooks", "test and NAME are missing; for example: portmapper hooks test client"),
        ("probe", "serve or check is missing; for example: portmapper probe serve --listen 0.0.0.0:9700"),
        ("web tokn", "'tokn' is not valid: use token, tokens or revoke; did you mean token?"),
        ("run --interval", "--interval needs a value (TIME); see 'portmapper run --help'"),
        ("run -n", "--interval needs a value (TIME); see 'portmapper run --help'"),
        ("run -v -q", "--verbose and --quiet cannot be used together; see 'portmapper run --help'"),
        ("run --oneshot=3", "--oneshot takes no value, not '3'; see 'portmapper run --help'"),
        (
            "run --fo x",
            "--fo can be --format or --foreground: write more of it; see 'portmapper run --help'",
        ),
        (
            "run --conflict foo",
            "--conflict: 'foo' is not valid: use keep, next, overwrite or fail; see 'portmapper run --help'",
        ),
    ],
)
def test_a_mistake_is_described_in_our_own_words(
    words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No message of argparse is shown as it is."""
    with pytest.raises(SystemExit):
        main(words.split())
    command = words.partition(" ")[0]
    assert capsys.readouterr().err == f"portmapper {command}: {line}\n"


@pytest.mark.parametrize("choices", ["'keep', 'next'", "keep, next"], ids=["Python 3.11", "Python 3.13"])
def test_choices_are_recognized_as_every_python_writes_them(choices: str) -> None:
    """Later versions omit the quotes."""
    message = f"argument --conflict: invalid choice: 'nxt' (choose from {choices})"
    assert in_plain_words(message, []) == "--conflict: 'nxt' is not valid: use keep or next"
    assert hint(message, [], "") == "did you mean next?"


def test_an_unknown_message_is_shown_as_it_is() -> None:
    """A later version of Python may write others."""
    assert in_plain_words("something new", []) == "something new"
    assert hint("something new", [], "portmapper open 8080") == ""


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["--he"], ["-Fh"], ["x.csv", "--oneshot", "-h"]])
def test_a_help_shows_the_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """With its options and arguments, also if it is abbreviated."""
    with pytest.raises(SystemExit) as done:
        main(["run", *words])
    assert done.value.code == 0
    usage = capsys.readouterr().out.partition("\n\n")[0]
    assert usage.startswith("usage: portmapper run [-h]")
    assert "SOURCE" in usage
