"""`portmapper completion`: the scripts work in the shells themselves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from portmapper.cli.main import main

COMPLETE = {
    "bash": "source {script}; COMP_WORDS=(portmapper {words}); COMP_CWORD={count}; _shtab_portmapper; "
    'printf "%s\\n" "${{COMPREPLY[@]}}"',
    "fish": "source {script}; complete -C 'portmapper {words}'",
}
"""Commands that print a shell's completions."""


@pytest.fixture
def offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Return a function that lists a shell's completions of some words, in a directory with a list."""

    def offered(shell: str, words: str) -> set[str]:
        if shutil.which(shell) is None:
            if os.environ.get("CI") == "true":
                pytest.fail(f"{shell} is not installed")
            pytest.skip(f"{shell} is not installed")
        (tmp_path / "ports.csv").touch()
        script = tmp_path / "completion"
        assert main(["completion", shell]) == 0
        script.write_text(capsys.readouterr().out)
        line = COMPLETE[shell].format(script=script, words=words, count=len(words.split(" ")))
        result = subprocess.run(
            [shell, "-c", line],
            cwd=tmp_path,
            env={
                **os.environ,
                "HOME": str(tmp_path),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
        return {answer.split("\t")[0].strip() for answer in result.stdout.splitlines()}

    return offered


@pytest.mark.parametrize("shell", sorted(COMPLETE))
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("sta", "status"),
        ("simu", "simulate"),
        ("run --inter", "--interval"),
        ("run por", "ports.csv"),
        ("run --backend na", "natpmp"),
        ("run --disable-plugin ht", "http"),
        ("open minec", "minecraft-bedrock"),
        ("simulate --profile rout", "routeros"),
    ],
    ids=["command", "a plugin's command", "option", "file", "backend", "plugin", "preset", "profile"],
)
def test_matching_words_are_offered(offered, shell: str, words: str, expected: str) -> None:
    """Commands, options, files and values are completed."""
    assert expected in offered(shell, words)


def test_zsh_can_parse_its_script(capsys: pytest.CaptureFixture[str]) -> None:
    """zsh completes only on a terminal, so the test checks the syntax."""
    assert main(["completion", "zsh"]) == 0
    script = capsys.readouterr().out
    assert script.startswith("#compdef portmapper")
    if shutil.which("zsh") is not None:
        subprocess.run(["zsh", "-n"], input=script, text=True, timeout=50, check=True)


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists the known shells."""
    with pytest.raises(SystemExit) as stop:
        main(["completion", "csh"])
    assert stop.value.code == 2
    assert "use bash, zsh or fish" in capsys.readouterr().err
