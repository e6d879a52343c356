"""The daemon applies edits at once, and keeps ports open if a list is missing or invalid."""

from __future__ import annotations

import http.server
import json
import os
import socketserver
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HEADER = "port;protocol\n"
ONE = HEADER + "8080;TCP\n"
TWO = HEADER + "8080;TCP\n8081;TCP\n"
WITHIN = "3600"
"""An interval longer than the test, so that only watching the file can find a change."""


@pytest.fixture
def run(program: Any, ports: Path, gateway: Any) -> Iterator[Any]:
    """A daemon that polls the list once an hour."""
    with program.running("run", "--interval", WITHIN, *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        yield run
        assert "Traceback" not in run.log


def in_place(file: Path, text: str) -> None:
    """Write like an editor that keeps the inode."""
    file.write_text(text)


def by_replacement(file: Path, text: str) -> None:
    """Write like an editor that renames a new file."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def by_removal(file: Path, text: str) -> None:
    """Remove the file and create it again."""
    file.unlink()
    file.write_text(text)


@pytest.mark.parametrize("write", [in_place, by_replacement, by_removal], ids=lambda f: f.__name__)
def test_an_edit_is_applied(run: Any, ports: Path, gateway: Any, write: Callable[[Path, str], None]) -> None:
    """A port is opened or closed with its row, however the file was written."""
    write(ports, TWO)
    run.until(lambda: gateway.ports() == {8080, 8081}, "opened")
    write(ports, HEADER + "8081;TCP\n")
    run.until(lambda: gateway.ports() == {8081}, "closed")


def test_a_changed_row_is_renewed_in_place(run: Any, ports: Path, gateway: Any) -> None:
    """A new duration is requested, and nothing is deleted (lifetime 0)."""
    before = len(gateway.requests())
    in_place(ports, "port;protocol;duration\n8080;TCP;600\n")
    run.until(lambda: ("MAP", 600) in gateway.requests()[before:], "requested again")
    assert ("MAP", 0) not in gateway.requests()
    assert gateway.ports() == {8080}


def source(program: Any) -> tuple[str, int, str | None]:
    """Return state, number of mappings and error of the daemon's only source."""
    (source,) = json.loads(program.run("status", "--json").output)["sources"]
    return source["state"], source["mappings"], source["error"]


def test_ports_stay_open_if_the_file_is_removed(run: Any, program: Any, ports: Path, gateway: Any) -> None:
    """The source is stale, which is logged one time; a new file takes effect."""
    run.until(program.listener.exists, "listening")
    assert source(program) == ("ok", 1, None)
    ports.unlink()
    run.logs("no such file; its last good list is kept")
    assert source(program) == ("stale", 1, "no such file")
    assert gateway.ports() == {8080}
    in_place(ports, TWO)
    run.until(lambda: gateway.ports() == {8080, 8081}, "back")
    assert source(program) == ("ok", 2, None)
    assert run.log.count("last good list") == 1


def test_an_unchanged_file_that_returns_is_logged(run: Any, ports: Path, gateway: Any) -> None:
    """The source is not stale anymore, although no mapping changes."""
    ports.rename(ports.with_suffix(".away"))
    run.logs("last good list is kept")
    ports.with_suffix(".away").rename(ports)
    run.logs("reloaded, 1 mapping")
    assert gateway.ports() == {8080}


@pytest.mark.parametrize(
    "broken", ["port,protocol\n1,TCP\n", "\0\1\2", HEADER + "8080;TCP\n80"], ids=["header", "binary", "half"]
)
def test_ports_stay_open_if_the_list_is_invalid(run: Any, ports: Path, gateway: Any, broken: str) -> None:
    """The last valid list stays in effect until the file is fixed."""
    in_place(ports, broken)
    run.logs("last good list is kept")
    assert gateway.ports() == {8080}
    in_place(ports, TWO)
    run.until(lambda: gateway.ports() == {8080, 8081}, "fixed")


def test_a_file_is_not_read_while_it_is_written(run: Any, ports: Path, gateway: Any) -> None:
    """It is read after the writer closes it."""
    with ports.open("w") as writer:
        for text in (HEADER, "8080;TCP\n80", "81;TCP\n"):
            writer.write(text)
            writer.flush()
        assert gateway.ports() == {8080}
    run.until(lambda: gateway.ports() == {8080, 8081}, "read")
    assert "last good" not in run.log


def test_a_swapped_configmap_is_noticed(program: Any, gateway: Any) -> None:
    """Kubernetes replaces the symlink `..data`, through which the list's symlink goes."""
    mount = program.directory / "mount"
    for version, text in (("..1", ONE), ("..2", TWO)):
        (mount / version).mkdir(parents=True)
        (mount / version / "ports.csv").write_text(text)
    (mount / "..data").symlink_to("..1")
    (mount / "ports.csv").symlink_to("..data/ports.csv")
    with program.running("run", "-n", WITHIN, *gateway.options, str(mount / "ports.csv")) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        (mount / "..new").symlink_to("..2")
        os.replace(mount / "..new", mount / "..data")
        run.until(lambda: gateway.ports() == {8080, 8081}, "noticed")


@pytest.fixture
def stuck_server() -> Iterator[tuple[str, threading.Event]]:
    """A URL that lists port 8090 and lets the second request wait, and an event for that request."""
    second_request, over = threading.Event(), threading.Event()
    answers = iter([HEADER + "8090;TCP\n"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = next(answers, None)
            if text is None:
                second_request.set()
                over.wait()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Log nothing."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/ports.csv", second_request
        over.set()
        server.shutdown()
        thread.join()


def test_a_slow_source_delays_no_other(
    program: Any, ports: Path, gateway: Any, stuck_server: tuple[str, threading.Event]
) -> None:
    """While a web server does not answer, the daemon applies an edited file."""
    url, second_request = stuck_server
    with program.running("run", "-n", "1", *gateway.options, str(ports), url) as run:
        run.until(second_request.is_set, "waiting")
        assert gateway.ports() == {8080, 8090}
        in_place(ports, TWO)
        run.until(lambda: gateway.ports() == {8080, 8081, 8090}, "edited")
        run.signal(15)
        assert run.ended_within(6) == 0
    assert "last good" not in run.log
