"""Options and settings of several daemons for one list."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from platforms import posix_only

import portmapper.pluginhost.manager
from portmapper.api import DaemonCommand, DaemonParts, Guard, Protocol, ReadsStatus, Row, Source, hookimpl
from portmapper.api.events import Event, EventKind, Observer
from portmapper.cli import cluster
from portmapper.cli.main import main
from portmapper.pluginhost.guarded_tokens import GuardedTokens
from portmapper.testing.simulator import embedded_gateway


@pytest.fixture
def ports(tmp_path: Path) -> Path:
    """Return a list with one row."""
    file = tmp_path / "ports.csv"
    file.write_text("port;protocol\n8080;tcp\n")
    return file


def refused(arguments: Sequence[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that is a usage error; return its message."""
    try:
        status = main(list(arguments))
    except SystemExit as end:
        status = int(str(end.code))
    assert status == 2
    return capsys.readouterr().err.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--lead-with-address", "router"], "'router' is not an address that a host can carry"),
        (["--lead-with", "zookeeper:x"], "no guard named 'zookeeper'"),
        (["--lead-with", "x"], "no guard named 'x'"),
        (["--lead-with-address", "192.168.88.50", "--oneshot"], "a guard needs a daemon: omit --oneshot"),
        (["--lead-with-address", "192.168.88.50", "--lead-with", "x:y"], "cannot be used together"),
    ],
)
def test_an_invalid_option_is_a_usage_error(
    ports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    """Nothing is sent, and the message says what to do."""
    assert message in refused(["run", "--state-dir", str(tmp_path), *options, str(ports)], capsys)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('[guard]\naddress = "x"\n', "'x' is not an address"),
        ('[guard]\naddress = "192.168.88.50"\nlead_with = "x:y"\n', "both address and lead_with: remove one"),
        ('[guard]\nadress = "x"\n', "adress"),
        ('[cluster]\nsecret_file = "missing"\n', "missing: No such file"),
        ('[cluster]\nsecret_file = "short"\n', "has 5 bytes, which is too short"),
        ('[cluster]\nsecret_file = "."\n', "cannot read"),
        ('[cluster]\nsecret_file = "long"\n', "is longer than 4096 bytes"),
    ],
)
def test_an_invalid_setting_is_a_usage_error(
    ports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], table: str, message: str
) -> None:
    """The content of the secret is never shown."""
    (tmp_path / "short").write_text("guess")
    (tmp_path / "long").write_text("x" * 5000)
    settings = tmp_path / "portmapper.toml"
    settings.write_text(table)
    line = refused(["run", "--config", str(settings), "--state-dir", str(tmp_path), str(ports)], capsys)
    assert message in line
    assert "guess" not in line


@posix_only("uses a FIFO")
def test_a_fifo_as_the_secret_does_not_block(tmp_path: Path) -> None:
    """Its writer may never come."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Exception, match="it is not a regular file"):
        cluster._read_secret(tmp_path / "fifo")


def test_the_environment_overrides_the_secret_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """White space at the ends does not count."""
    (tmp_path / "secret").write_text("  0123456789abcdef\n")
    monkeypatch.setenv(cluster.SECRET_VARIABLE, str(tmp_path / "secret"))
    path = cluster._secret_file(argparse.Namespace())
    assert path is not None
    assert cluster._read_secret(path) == b"0123456789abcdef"


class Broken:
    """A source of tokens that returns or raises something invalid."""

    name = "broken"

    def __init__(self, result: object) -> None:
        self.result = result

    def token(self, *_: object) -> Any:
        """Return or raise it."""
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


@pytest.mark.parametrize("result", [ValueError("x"), "text", b"short", 7])
def test_a_broken_source_of_tokens_is_passed_over(result: object) -> None:
    """The next one is asked; without another, the token is random."""
    mapping = ("pcp:192.168.1.1", Protocol.TCP, ip_address("192.168.1.10"), 80)
    assert GuardedTokens([Broken(result)])(*mapping) is None  # type: ignore[list-item]
    assert GuardedTokens([Broken(result), Broken(b"x" * 12)])(*mapping) == b"x" * 12  # type: ignore[list-item]


@pytest.fixture
def pcp_port() -> Iterator[int]:
    """Run a gateway in another thread."""
    ports: queue.Queue[int] = queue.Queue()
    loop = asyncio.new_event_loop()
    end = asyncio.Event()

    async def serve() -> None:
        async with embedded_gateway(protocols=frozenset({"pcp"})) as gateway:
            ports.put(gateway.pcp_port)
            await end.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    yield ports.get(timeout=60)
    loop.call_soon_threadsafe(end.set)
    thread.join()
    loop.close()


class Once(Guard):
    """A guard that leads at once and loses after the first mapping is open."""

    name = "once"
    opened = False

    async def run(self) -> None:
        """Lead, and lose."""
        self.leading.set()
        while not Once.opened:
            await asyncio.sleep(0.01)
        self.lost.set()

    def may_act(self, margin: float = 0.0) -> bool:
        """Return whether it leads."""
        return self.leading.is_set() and not self.lost.is_set()

    @property
    def leader(self) -> str:
        """Return a name."""
        return "node-a"


class Rows(Source):
    """One row with an origin."""

    name = "rows"
    port = 0

    @classmethod
    def claims(cls, location: str) -> bool:
        """Claim nothing."""
        return False

    async def fetch(self) -> Sequence[Row]:
        """Return the row."""
        return [Row({"port": Rows.port, "protocol": "tcp"}, "row", "row, {}", origin="shop/web")]


class Watcher(Observer, ReadsStatus):
    """Writes the status document and ends the leadership when the port is open."""

    name = "watcher"
    status: Callable[[], dict[str, Any]]

    def __init__(self, file: Path) -> None:
        self._file = file

    def attach_status(self, status: Callable[[], dict[str, Any]]) -> None:
        """Keep the function."""
        self.status = status

    async def observe(self, event: Event) -> None:
        """Write the document, with the origin of the event."""
        if event.kind is EventKind.OPENED:
            self._file.write_text(json.dumps({**self.status(), "event_origin": event.origin}))
            Once.opened = True


class Controller(DaemonCommand):
    """A command with the options of `run` and one more."""

    name = "controller"
    help = "run a controller"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the option."""
        parser.add_argument("--document", type=Path, help="where to write the document")

    def parts(self, arguments: argparse.Namespace) -> DaemonParts:
        """Return the parts."""
        return DaemonParts([Rows("rows:")], [Watcher(arguments.document)], Once())


def test_a_command_of_a_plugin_runs_the_daemon_with_its_parts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    pcp_port: int,
    free_port: Callable[[], int],
) -> None:
    """It leads, opens the port of its source, loses its leadership, and ends with status 5."""
    monkeypatch.setattr(Rows, "port", free_port())

    class Plugin:
        @hookimpl
        def portmapper_register_commands(self) -> list[type[Controller]]:
            return [Controller]

    load = portmapper.pluginhost.manager.load_plugins

    def with_controller(*arguments: Any) -> Any:
        plugins = load(*arguments)
        plugins.register(Plugin(), "controller")
        return plugins

    monkeypatch.setattr(portmapper.pluginhost.manager, "load_plugins", with_controller)
    options = ["--gateway", f"127.0.0.1:{pcp_port}", "--backend", "pcp", "--document", str(tmp_path / "doc")]
    status = main(["controller", *options, "--state-dir", str(tmp_path / "state")])
    assert status == 5, capfd.readouterr().err
    document = json.loads((tmp_path / "doc").read_text())
    assert (document["role"], document["leader"]) == ("leader", "node-a")
    assert [mapping["origin"] for mapping in document["mappings"]] == ["shop/web"]
    assert document["event_origin"] == "shop/web"
    assert "lost leadership" in capfd.readouterr().err
