"""Fixtures that run a daemon in a separate process against a software gateway."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portmapper.control.unix_socket import SOCKET_NAME, short_address
from portmapper_simulator.gateway import EmbeddedGateway
from portmapper_simulator.settings import Settings

PATIENCE = 60.0


@pytest.fixture
def samples() -> Callable[[bytes], dict[tuple[str, ...], float]]:
    """Return a function that parses a page into values by name and labels."""

    def parse(body: bytes) -> dict[tuple[str, ...], float]:
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

    return parse


class RunningDaemon:
    """A running daemon.

    Attributes:
        state: the daemon's state directory.
    """

    def __init__(self, state: Path) -> None:
        self.state = state

    def fetch(self, path: str) -> bytes:
        """Return a page from the control socket; raise HTTPException unless the status is 200."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        with contextlib.closing(connection), short_address(self.state) as address:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(address)
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != http.client.OK:
            raise http.client.HTTPException(f"{answer.status}: {body!r}")
        return body


@pytest.fixture
def gateway_port() -> Iterator[int]:
    """Run a gateway in a thread, and return its PCP port."""
    ready, ports = threading.Event(), []
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with EmbeddedGateway(Settings(protocols=frozenset({"pcp"}), relay=False)) as gateway:
            ports.append(gateway.pcp_port)
            ready.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(PATIENCE)
    yield ports[0]
    loop.call_soon_threadsafe(ended.set)
    thread.join()
    loop.close()


@pytest.fixture
def daemon_with(
    tmp_path: Path, gateway_port: int
) -> Callable[[str], contextlib.AbstractContextManager[RunningDaemon]]:
    """Return a context manager that runs a daemon and waits until its one mapping is open."""

    @contextlib.contextmanager
    def run(settings: str) -> Iterator[RunningDaemon]:
        config, state = tmp_path / "portmapper.toml", tmp_path / "state"
        config.write_text(
            f'gateway = ["127.0.0.1:{gateway_port}"]\nstate_dir = "{state}"\n{settings}'
            '[[mapping]]\nport = 8080\nprotocol = "tcp"\n[backend]\nforbidden = ["upnp", "natpmp"]\n'
        )
        command = [sys.executable, "-P", "-m", "portmapper.cli.main", "run", "--config", str(config)]
        with (
            (tmp_path / "log").open("wb") as log,
            subprocess.Popen(command, stderr=log) as daemon,
        ):
            try:
                deadline = time.monotonic() + PATIENCE
                opened = False
                while not (opened and (state / SOCKET_NAME).exists()):
                    text = (tmp_path / "log").read_text()
                    assert daemon.poll() is None, text
                    assert time.monotonic() < deadline, text
                    opened = "opened 8080/tcp" in text
                    time.sleep(0.02)
                yield RunningDaemon(state)
            finally:
                daemon.terminate()

    return run
