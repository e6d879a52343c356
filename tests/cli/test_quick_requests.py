"""`open`, `close`, `pause` and `resume` in the usual cases do what the full commands do, and start faster."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from status_documents import mapping

from portmapper.actions.close import CloseResult
from portmapper.api.errors import PortmapperError
from portmapper.api.model import MAX_DURATION, Mapping
from portmapper.cli import close_result, quick_open, quick_requests
from portmapper.cli.main import QUICK, _command, _load, _run_command, main
from portmapper.control.client import NotRunning
from portmapper.sources.adhoc import parse_records

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems use the full command")


@attrs.define
class Daemon:
    """A daemon that answers every request in the same way.

    Attributes:
        requests: the directory, the verb and the mappings of each request.
        answer: what it answers, or raises.
    """

    requests: list[tuple[str, str, Sequence[Mapping]]] = attrs.field(factory=list)
    answer: Any = None

    def call(
        self, directory: Path | str, path: str, method: str = "GET", body: dict[str, Any] | None = None
    ) -> Any:
        """Stand in for `call_daemon`."""
        if body is None:
            return OPENED
        assert method == "POST"
        self.requests.append((str(directory), path, parse_records(body["mappings"])))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


NOW = datetime(2026, 11, 29, 12, 0, 0, 5, UTC)
OPENED: dict[str, Any] = {
    "mappings": [mapping(8080), mapping(8081, state="refused", error="not authorized")],
    "gateways": [],
}
PAUSED = {
    "ports": [
        {"port": 8080, "protocol": "TCP", "result": "paused", "detail": ""},
        {"port": 8081, "protocol": "UDP", "result": "unknown", "detail": "no list has it"},
    ]
}


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Daemon:
    """Replace the daemon, and use no settings of the user."""
    daemon = Daemon()
    for name in [name for name in os.environ if name.startswith("PORTMAPPER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    for module in ("portmapper.support.wall_clock", "portmapper.cli.open"):
        monkeypatch.setattr(f"{module}.wall_now", lambda: NOW)
    monkeypatch.setattr(quick_requests, "call_daemon", daemon.call)
    monkeypatch.setattr("portmapper.control.client.call_daemon", daemon.call)
    return daemon


def printed(run: Any, *given: Any) -> tuple[int | None, str, str]:
    """Return the exit status of a function, and what it printed to both streams."""
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        return run(*given), output.getvalue(), errors.getvalue()


def quickly(words: Sequence[str]) -> tuple[int | None, str, str]:
    """Run the quick command."""
    return printed(_load(QUICK[words[0]]), words[1:])


@pytest.mark.parametrize(
    "words",
    [
        ["open", "8080"],
        ["open", "8080", "27015/udp", "8080:80/both", "--json"],
        ["open", "--state-dir", "/srv//state/./ports/", "1", "65535/tcp"],
        ["open", "8080", "--lifetime", "90"],
        ["open", "--lifetime=1h30m", "8080", "8081/both", "--comment", "web  server, München"],
        ["open", "8080", "--lifetime", "0"],
        ["open", "8080", "--lifetime", "4294967295"],
        ["open", "8080", "--for", "2h"],
        ["open", "8080", "--for", "7d", "--lifetime", "0"],
        ["open", "8080", "--for", "1w", "--lifetime", "15 min"],
        ["open", "8080", "--when", "listening", "--conflict", "overwrite"],
        ["open", "8080", "--when", "always", "--conflict", "fail", "--family", "ipv4"],
        ["open", "8080", "--family", "ipv6"],
        ["open", "8080", "--family=both"],
        ["open", "8080", "--to", "192.168.1.10"],
        ["open", "8080", "--to", "10.0.0.255:80", "--backend", "upnp"],
        ["open", "8080", "8081", "--to", ":80", "--family", "both"],
        ["open", "8080:80", "--to", ":80"],
        ["pause", "8080"],
        ["pause", "8080/tcp", "--state-dir=/srv/state", "27015/udp", "8080/tcp"],
        ["resume", "--state-dir", "../there", "8080"],
    ],
)
def test_request_and_output_are_those_of_the_full_command(daemon: Daemon, words: list[str]) -> None:
    """Including the exit status, which is 1 if a port is not open or in no list."""
    daemon.answer = OPENED if words[0] == "open" else PAUSED
    quick = quickly(words)
    full = printed(_run_command, _command(words[0]), words[1:])
    assert quick == full
    assert quick[0] == 1
    assert len(daemon.requests) == 2
    assert daemon.requests[0] == daemon.requests[1]


@pytest.mark.parametrize("result", ["closed", "listed", "failed"])
@pytest.mark.parametrize("words", [["8080"], ["8080/udp"], ["27015", "--state-dir", "/srv/ports"]])
def test_close_prints_what_the_full_command_prints(
    daemon: Daemon, words: list[str], result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the ports that stay open over the other protocol, where the user named none."""
    monkeypatch.setitem(OPENED, "mappings", [mapping(8080, protocol="UDP"), mapping(27015, protocol="UDP")])
    port, _, protocol = words[0].partition("/")
    done = {"port": int(port), "protocol": protocol.upper() or "TCP", "result": result, "detail": "why"}
    daemon.answer = {"ports": [done]}
    quick = quickly(["close", *words])
    assert quick == printed(_run_command, _command("close"), words)
    assert daemon.requests[0] == daemon.requests[1]
    assert quick[0] == (0 if result == "closed" else 1)
    assert ("UDP is still open. To close it" in quick[2].replace("udp", "UDP")) is ("/" not in words[0])


def test_a_port_that_the_daemon_does_not_hold_is_left_to_the_full_command(daemon: Daemon) -> None:
    """It looks for it at the gateways."""
    daemon.answer = {"ports": [{"port": 8080, "protocol": "TCP", "result": "unknown", "detail": ""}]}
    assert quickly(["close", "8080"]) == (None, "", "")


def test_the_results_of_close_are_those_of_its_action() -> None:
    """The command names them without an import of attrs."""
    named = {*close_result.NOT_OPEN, close_result.LEFT_ALONE, *close_result.STILL_OPEN}
    assert named == {result.value for result in CloseResult}


@pytest.mark.parametrize("verb", ["open", "close", "pause", "resume"])
@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["8080", "--config", "x.toml"],
        ["8080", "--config", "/dev/null"],
        ["8080", "--config", "."],
        ["8080", "--state-dir", "//srv"],
        ["8080", "--gateway", "192.168.1.1"],
        ["8080", "-q"],
        ["8080", "--state-dir"],
        ["8080", "--state-dir="],
        ["8080", "--state-dir", "a", "--state-dir", "b"],
        ["8080", "--"],
        ["8080", "minecraft"],
        ["2722-2723"],
        ["any:80"],
        ["0"],
        ["080"],
        ["65536"],
        ["99999999999999999999"],
        ["8080/"],
        ["8080/TCP"],
        ["8080/sctp"],
        ["8080:"],
        [":80"],
        ["٨٠٨٠"],
        [""],
    ],
)
def test_other_words_are_left_to_the_full_command(daemon: Daemon, verb: str, words: list[str]) -> None:
    """It knows options, ranges and presets, and says what is wrong."""
    assert quickly([verb, *words]) == (None, "", "")
    assert daemon.requests == []


@pytest.mark.parametrize(
    "words",
    [
        ["pause", "8080:80"],
        ["resume", "8080/both"],
        ["pause", "8080", "--json"],
        ["close", "8080", "8081"],
        ["close", "8080", "--json"],
        ["close", "8080", "--comment", "x"],
        ["pause", "8080", "--lifetime", "1h"],
    ],
)
def test_what_only_open_knows_is_left_to_the_full_command(daemon: Daemon, words: list[str]) -> None:
    """Nothing was sent yet."""
    assert quickly(words) == (None, "", "")
    assert daemon.requests == []


@pytest.mark.parametrize(
    "options",
    [
        ["--lifetime", "1 fortnight"],
        ["--lifetime", "4294967296"],
        ["--lifetime", "0000000000001"],
        ["--life", "1h"],
        ["--lifetime", "1h", "--lifetime", "2h"],
        ["--for", "0"],
        ["--for", "never"],
        ["--when", "listen"],
        ["--conflict", "own"],
        ["--conflict", "maybe"],
        ["--family", "ipv5"],
        ["--comment", "tab\there"],
        ["--comment="],
        ["--comment", "not \udcff UTF-8"],
        ["--backend", "pcp", "--backend", "upnp"],
        ["--remote", "198.51.100.1"],
        ["--to", "192.168.1.10", "--family", "ipv4"],
        ["--to", "fd00::1"],
        ["--to", "[fd00::1]:80"],
        ["--to", "127.0.0.1"],
        ["--to", "10.0.0.256"],
        ["--to", "10.0.0.01"],
        ["--to", "10.0.0"],
        ["--to", "router"],
        ["--to", ":"],
        ["--to", "10.0.0.1:"],
        ["--to", "10.0.0.1:0"],
        ["--json=yes"],
    ],
)
def test_unusual_options_of_open_are_left_to_the_full_command(daemon: Daemon, options: list[str]) -> None:
    """It knows earlier names and other spellings, and says what is wrong."""
    assert quickly(["open", "8080", *options]) == (None, "", "")
    assert daemon.requests == []


def test_two_internal_ports_are_left_to_the_full_command(daemon: Daemon) -> None:
    """It says which port already has one."""
    assert quickly(["open", "8080:80", "--to", ":81"]) == (None, "", "")


def test_the_longest_lifetime_is_that_of_the_model() -> None:
    """The command names it without an import of attrs."""
    assert quick_open.MAX_DURATION == MAX_DURATION


SETTINGS = """\
# Written by hand.
state_dir = "/srv/from settings"
conflict = "next"
family = "both"
sources = ["ports.csv"]

[[mapping]]
port = 8080
"""


@pytest.mark.parametrize("place", ["default", "relative", "absolute"])
@pytest.mark.parametrize(
    "words",
    [
        ["open", "8080"],
        ["open", "8080", "--conflict", "keep", "--family", "ipv6"],
        ["open", "8080", "--to", "192.168.1.10"],
        ["close", "8080"],
        ["close", "8080", "--state-dir", "./there/"],
        ["pause", "8080", "--state-dir", "/srv/ports"],
        ["resume", "8080"],
    ],
)
def test_settings_have_the_effect_that_they_have_in_the_full_command(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], place: str
) -> None:
    """They may name the state directory and default values; options override them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(OPENED, "mappings", [mapping(8080, protocol="UDP")])
    done = {"port": 8080, "protocol": "TCP", "result": "closed", "detail": ""}
    daemon.answer = {"open": OPENED, "close": {"ports": [done]}}.get(words[0], PAUSED)
    file = settings_file(tmp_path)
    file.write_text(SETTINGS)
    if place != "default":
        file.rename(tmp_path / "own.toml")
        words = [*words, "--config", "own.toml" if place == "relative" else f"{tmp_path}/./own.toml"]
    quick = quickly(words)
    assert quick == printed(_run_command, _command(words[0]), words[1:])
    assert quick[0] is not None
    assert daemon.requests[0] == daemon.requests[1]
    if "--state-dir" not in words:
        assert daemon.requests[0][0] == "/srv/from settings"


def settings_file(home: Path) -> Path:
    """Return the default place, whose directory exists."""
    file = home / ".config" / "portmapper" / "portmapper.toml"
    file.parent.mkdir(parents=True)
    return file


@pytest.mark.parametrize("verb", ["open", "close", "pause", "resume"])
def test_a_doubtful_settings_file_is_left_to_the_full_command(
    daemon: Daemon, tmp_path: Path, verb: str
) -> None:
    """It says what is wrong; nothing was sent yet."""
    settings_file(tmp_path).write_text('conflict = "maybe"')
    assert quickly([verb, "8080"]) == (None, "", "")
    assert daemon.requests == []


def test_variables_of_portmapper_are_left_to_the_full_command(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as `PORTMAPPER_LOG`, which may be invalid."""
    monkeypatch.setenv("PORTMAPPER_LOG", "debug")
    assert quickly(["open", "8080"]) == (None, "", "")
    assert daemon.requests == []


def test_without_a_daemon_the_full_command_opens_the_port(daemon: Daemon) -> None:
    """Nothing is printed before."""
    daemon.answer = NotRunning("no daemon runs")
    assert quickly(["open", "8080"]) == (None, "", "")


def test_a_daemon_that_refuses_is_an_error(daemon: Daemon) -> None:
    """The exit status and the line are those of every command."""
    daemon.answer = PortmapperError("the daemon refused the request: 22/tcp is denied")
    status, output, errors = printed(main, ["open", "22"])
    assert (status, output) == (1, "")
    assert errors == "portmapper: the daemon refused the request: 22/tcp is denied\n"


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_command_imports_little(name: str, tmp_path: Path) -> None:
    """A script may open many ports, one after another. No daemon answers here, so nothing is shown."""
    code = (
        "import sys; import portmapper.cli.main as m\n"
        f"assert m._load(m.QUICK[{name!r}])({[] if name == 'status' else ['8080']!r}) is None\n"
        "import portmapper.cli.open_result, portmapper.cli.pause_result, portmapper.cli.close_result\n"
        "print({'argparse', 'asyncio', 'attr', 'logging', 'pathlib', 'rich', 'typing'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={
            "PYTHONPATH": os.pathsep.join(sys.path),
            "HOME": str(tmp_path),
            "STATE_DIRECTORY": str(tmp_path),
        },
    )
    assert done.stdout == "set()\n"
