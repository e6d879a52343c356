"""The URL of a list becomes hostile."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

from netlab.program import Program

VICTIM, PUBLIC = "192.168.88.77", "8.8.4.4"
LIMIT = 60.0
MANY = 1_000_000
MAX_GROWTH = 288 * 1024
"""KiB: an HTTP client and the documents of maximum size that are read at the same time. How far they overlap
depends on the load of the machine. A document that is read without a limit takes a gigabyte."""

HEADER = b"protocol;port\n"


def redirect(location: str) -> Any:
    """Return a function that sends a redirect."""

    def write(handler: Any) -> None:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return write


def gigabyte(handler: Any) -> None:
    """Send 1 GiB of empty lines."""
    handler.send_response(200)
    handler.send_header("Content-Length", str(2**30))
    handler.end_headers()
    for _ in range(2**14):
        handler.wfile.write(b"\n" * 2**16)


def bomb(handler: Any) -> None:
    """Send 100 MiB, compressed to 100 kB."""
    body = gzip.compress(b"\n" * 100 * 2**20, compresslevel=1)
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def rows(handler: Any) -> None:
    """Send a million rows."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(HEADER)
    for _ in range(MANY // 10_000):
        handler.wfile.write(b"TCP;9000\n" * 10_000)


def bad_rows(handler: Any) -> None:
    """Send only invalid rows."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(HEADER + b"TCP;\x1b[31m99999\n" * 3000)


PAGES = {
    "/": redirect("/"),
    "/file": redirect("file:///etc/passwd"),
    "/private": redirect(f"http://{VICTIM}:7777/"),
    "/loopback": redirect("http://127.0.0.1:7777/"),
    "/gigabyte": gigabyte,
    "/bomb": bomb,
    "/rows": rows,
    "/bad": bad_rows,
}


def valid_first(page: Any) -> Any:
    """Return a page that is an empty list at the first request; otherwise the program would not start."""
    served: list[bool] = []

    def write(handler: Any) -> None:
        if served:
            page(handler)
            return
        served.append(True)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(HEADER)))
        handler.end_headers()
        handler.wfile.write(HEADER)

    return write


def test_hostile_urls_close_no_port(attack: Any, web: Any) -> None:
    """They are fetched repeatedly beside a valid file, with limited memory and log."""
    hits: list[str] = []
    root = web({path: valid_first(page) for path, page in PAGES.items()}, hits, PUBLIC)
    with attack.daemon("--backend", "pcp") as running:
        idle = attack.measure(running)
        running.end()
    urls = [word for path in PAGES if path != "/" for word in ("-f", root + path)]
    (attack.directory / "ports.csv").unlink()
    with attack.daemon("--backend", "pcp", *urls) as running:
        running.until(lambda: hits.count("/rows") > 2 and hits.count("/bomb") > 2, "read", timeout=LIMIT)
        after = attack.measure(running)
        print(f"\n{len(hits)} requests; peak {idle.memory} -> {after.memory} KiB; CPU {after.cpu:.1f} s")
        assert after.memory - idle.memory < MAX_GROWTH
        assert attack.is_open()
        log = running.log
        assert log.count("\n") < 60
        assert "\x1b" not in log
        assert "Traceback" not in log
    assert not attack.visited()


def test_each_hostile_url_is_an_error(attack: Any, web: Any) -> None:
    """`check` reports it with exit status 2."""
    hits: list[str] = []
    root = web(PAGES, hits, PUBLIC)
    program = Program(attack.lab.lan, attack.directory)
    for path in PAGES:
        started = time.monotonic()
        finished = program.run("check", "--json", root + path)
        print(f"{path}: {time.monotonic() - started:.2f} s, {finished.errors.strip()[:100]}")
        assert finished.status == 2
        assert "Traceback" not in finished.errors
        assert "\x1b" not in finished.output + finished.errors
        if path == "/bad":
            assert len(json.loads(finished.output)["rejected"]) > 0
    assert not attack.visited()
