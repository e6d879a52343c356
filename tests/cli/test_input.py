"""Lists on standard input and files with unusual names, as with upnp-daemon."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from platforms import posix_only

LIST = "port;protocol\n8080;TCP\n"


@pytest.mark.parametrize(
    ("spelling", "stdin", "status"),
    [
        (["--format", "csv"], "", 0),
        (["--format", "json"], "", 2),
        (["--format", "json"], "[]", 0),
    ],
    ids=["empty CSV passes", "empty JSON fails", "empty array passes"],
)
def test_empty_standard_input(program: Any, spelling: list[str], stdin: str, status: int) -> None:
    """upnp-daemon's own tests have these three cases."""
    finished = program.run("--foreground", "--oneshot", *spelling, "--file", "-", stdin=stdin)
    assert finished.status == status, finished.errors
    assert finished.output == ""
    assert len(finished.errors.splitlines()) == (1 if status else 0)


def test_empty_standard_input_closes_nothing(program: Any, gateway: Any) -> None:
    """While ports of an earlier run are open, zero bytes are unreadable; a header line closes them."""
    assert program.run("-1", "-", *gateway.options, stdin=LIST).status == 0
    finished = program.run("-1", "-", *gateway.options, stdin="")
    assert (finished.status, gateway.ports()) == (2, {8080})
    assert "-: empty: " in finished.errors
    assert program.run("-1", "-", *gateway.options, stdin="port;protocol\n").status == 0
    assert gateway.ports() == set()


@pytest.mark.parametrize("words", [["-1f-"], ["-1", "-f", "-"], ["run", "-1", "-"]], ids=" ".join)
def test_a_dash_is_standard_input(program: Any, gateway: Any, words: list[str]) -> None:
    """It can also be combined with other short options."""
    finished = program.run(*words, *gateway.options, stdin=LIST)
    assert finished.status == 0, finished.errors
    assert gateway.ports() == {8080}


def test_a_file_may_be_called_dash(program: Any, gateway: Any) -> None:
    """`./-` is a file, and standard input is not read."""
    (program.directory / "-").write_text(LIST)
    finished = program.run("-1", "-f", "./-", *gateway.options, stdin="nonsense")
    assert finished.status == 0, finished.errors
    assert gateway.ports() == {8080}


@posix_only("sends SIGHUP")
def test_standard_input_is_read_once_and_kept(program: Any, gateway: Any) -> None:
    """After its end, the list stays in effect across intervals and SIGHUP."""
    with program.running("-f", "-", "-n", "1", *gateway.options, stdin=subprocess.PIPE) as run:
        run.process.stdin.write(LIST.encode())
        run.process.stdin.close()
        run.until(lambda: gateway.ports() == {8080}, "open")
        requested = len(gateway.requests())
        run.signal(1)
        run.until(lambda: len(gateway.requests()) >= requested, "past a reload")
        run.signal(15)
        assert run.ended() == 0
    assert gateway.ports() == {8080}
    assert "stale" not in run.log
    assert "last good" not in run.log
