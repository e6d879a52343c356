"""An edit is acted upon within a second, and a list that vanishes or breaks closes nothing."""

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
"""An interval that no test sees: what is found was noticed."""


@pytest.fixture
def run(program: Any, ports: Path, gateway: Any) -> Iterator[Any]:
    """A daemon that keeps the list open and looks by itself once an hour."""
    with program.running("run", "--interval", WITHIN, *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080}, "open")
        yield run
        assert "Traceback" not in run.log


def in_place(file: Path, text: str) -> None:
    """Write as an editor does that keeps the inode."""
    file.write_text(text)


def by_replacement(file: Path, text: str) -> None:
    """Write as an editor does that renames."""
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


def by_removal(file: Path, text: str) -> None:
    """Write as one does who has no better tool."""
    file.unlink()
    file.write_text(text)


@pytest.mark.parametrize("write", [in_place, by_replacement, by_removal], ids=lambda f: f.__name__)
def test_an_edit_is_acted_upon(
    run: Any, ports: Path, gateway: Any, write: Callable[[Path, str], None]
) -> None:
    """A row comes and goes, and its port with it, however the file was written."""
    write(ports, TWO)
    run.until(lambda: gateway.ports() == {8080, 8081}, "opened")
    write(ports, HEADER + "8081;TCP\n")
    run.until(lambda: gateway.ports() == {8081}, "closed")


def test_a_changed_row_is_renewed_in_place(run: Any, ports: Path, gateway: Any) -> None:
    """Another duration is asked for, and nothing is deleted (lifetime 0)."""
    before = len(gateway.requests())
    in_place(ports, "port;protocol;duration\n8080;TCP;600\n")
    run.until(lambda: ("MAP", 600) in gateway.requests()[before:], "asked again")
    assert ("MAP", 0) not in gateway.requests()
    assert gateway.ports() == {8080}


def source(program: Any) -> tuple[str, int, str | None]:
    """Ask the daemon for state, number of mappings and error of its one source."""
    (source,) = json.loads(program.run("status", "--json").output)["sources"]
    return source["state"], source["mappings"], source["error"]


def test_a_file_that_vanishes_keeps_its_ports(run: Any, program: Any, ports: Path, gateway: Any) -> None:
    """It is stale, which is said once, and the list that comes back counts again."""
    run.until((program.state / "control.sock").exists, "listening")
    assert source(program) == ("ok", 1, None)
    ports.unlink()
    run.logs("no such file; its last good list is kept")
    assert source(program) == ("stale", 1, "no such file")
    assert gateway.ports() == {8080}
    in_place(ports, TWO)
    run.until(lambda: gateway.ports() == {8080, 8081}, "back")
    assert source(program) == ("ok", 2, None)
    assert run.log.count("last good list") == 1


def test_a_file_that_comes_back_as_it_was_is_told(run: Any, ports: Path, gateway: Any) -> None:
    """Stale no longer, though nothing is to be done."""
    ports.rename(ports.with_suffix(".away"))
    run.logs("last good list is kept")
    ports.with_suffix(".away").rename(ports)
    run.logs("reloaded, 1 mapping")
    assert gateway.ports() == {8080}


@pytest.mark.parametrize(
    "broken", ["port,protocol\n1,TCP\n", "\0\1\2", HEADER + "8080;TCP\n80"], ids=["header", "binary", "half"]
)
def test_a_list_that_breaks_keeps_its_ports(run: Any, ports: Path, gateway: Any, broken: str) -> None:
    """Half-written, binary or another file altogether: the last good list stands until it is mended."""
    in_place(ports, broken)
    run.logs("last good list is kept")
    assert gateway.ports() == {8080}
    in_place(ports, TWO)
    run.until(lambda: gateway.ports() == {8080, 8081}, "mended")


def test_a_file_still_being_written_is_left_alone(run: Any, ports: Path, gateway: Any) -> None:
    """It is read when its writer closes it."""
    with ports.open("w") as writer:
        for text in (HEADER, "8080;TCP\n80", "81;TCP\n"):
            writer.write(text)
            writer.flush()
        assert gateway.ports() == {8080}
    run.until(lambda: gateway.ports() == {8080, 8081}, "read")
    assert "last good" not in run.log


def test_unreadable_at_start_is_an_error_and_not_a_daemon(program: Any, ports: Path) -> None:
    """There is no last good list yet."""
    ports.unlink()
    finished = program.run("run", str(ports))
    assert (finished.status, finished.output) == (2, "")
    assert finished.errors.splitlines() == [f"portmapper: {ports}: no such file"]


def test_a_swapped_configmap_is_noticed(program: Any, gateway: Any) -> None:
    """Kubernetes swaps the symlink `..data` that the list's own symlink leads through."""
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
    """A URL that lists port 8090 once, and keeps whoever asks again waiting; and when that has begun."""
    asked_again, over = threading.Event(), threading.Event()
    answers = iter([HEADER + "8090;TCP\n"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = next(answers, None)
            if text is None:
                asked_again.set()
                over.wait()
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/ports.csv", asked_again
        over.set()
        server.shutdown()
        thread.join()


def test_a_slow_source_delays_no_other(
    program: Any, ports: Path, gateway: Any, stuck_server: tuple[str, threading.Event]
) -> None:
    """While a web server keeps us waiting, an edited file is acted upon."""
    url, asked_again = stuck_server
    with program.running("run", "-n", "1", *gateway.options, str(ports), url) as run:
        run.until(asked_again.is_set, "waiting")
        assert gateway.ports() == {8080, 8090}
        in_place(ports, TWO)
        run.until(lambda: gateway.ports() == {8080, 8081, 8090}, "edited")
        run.signal(15)
        assert run.ended(6) == 0
    assert "last good" not in run.log


def test_a_row_removed_before_the_exit_is_closed_too(program: Any, ports: Path, gateway: Any) -> None:
    """`--close-ports-on-exit` closes what this run opened, and nothing is left."""
    ports.write_text(TWO)
    with program.running("run", "--close-ports-on-exit", "-n", WITHIN, *gateway.options, str(ports)) as run:
        run.until(lambda: gateway.ports() == {8080, 8081}, "open")
        in_place(ports, ONE)
        run.until(lambda: gateway.ports() == {8080}, "closed")
        run.signal(15)
        assert run.ended() == 0, run.log
    assert gateway.ports() == set()


def test_only_close_ports_closes_what_is_listed(program: Any, ports: Path, gateway: Any) -> None:
    """The other port stays, and a port that is not open is no error."""
    ports.write_text(TWO)
    assert program.run("run", "--oneshot", *gateway.options, str(ports)).status == 0
    ports.write_text(ONE)
    for _ in ("open", "not open"):
        finished = program.run("run", "--only-close-ports", *gateway.options, str(ports))
        assert finished.status == 0, finished.errors
        assert gateway.ports() == {8081}
