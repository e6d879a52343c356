"""An attacker forges SSDP answers with hostile LOCATIONs."""

from __future__ import annotations

import time
from typing import Any

GATEWAY, ATTACKER, VICTIM = "192.168.88.1", "192.168.88.66", "192.168.88.77"
GROUP = ("239.255.255.250", 1900)
FLOOD = 5.0
KIND = "urn:schemas-upnp-org:service:WANIPConnection:1"
NAME = "&#27;]0;owned&#7;\x1b[31m[bold red]<script>alert(1)</script>[/]" + "x" * 5000


def page(body: bytes, status: int = 200, **headers: str) -> Any:
    """Return a function that sends a page."""

    def write(handler: Any) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(body)

    return write


def description(control: str, name: str = "Router") -> bytes:
    """Return the description of a gateway."""
    return (
        f"<root><device><friendlyName><![CDATA[{name}]]></friendlyName><modelName><![CDATA[{name}]]></modelName>"
        f"<serviceList><service><serviceType>{KIND}</serviceType><controlURL>{control}</controlURL></service>"
        "</serviceList></device></root>"
    ).encode()


def endless(handler: Any) -> None:
    """Send data forever."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"<root>" * 10_000)


def drip(handler: Any) -> None:
    """Send one byte every half second."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(60):
        handler.wfile.write(b"<")
        time.sleep(0.5)


BOMB = (
    b'<!DOCTYPE r [<!ENTITY a "boom">'
    + b"".join(b'<!ENTITY %c "%s">' % (letter, b"&%c;" % (letter - 1) * 10) for letter in range(98, 108))
    + b"]><root>&k;</root>"
)

PAGES = {
    "/": page(b"nothing here", 404),
    "/redirect": page(b"", 302, Location="http://127.0.0.1:7777/"),
    "/redirect-other": page(b"", 302, Location=f"http://{VICTIM}:7777/"),
    "/bomb": page(BOMB),
    "/deep": page(b"<a>" * 100_000),
    "/huge": page(b"<root>" + b"x" * 10_000_000 + b"</root>"),
    "/endless": endless,
    "/drip": drip,
    "/control-loopback": page(description("http://127.0.0.1:7777/control")),
    "/control-other": page(description(f"http://{VICTIM}:7777/control")),
    "/base": page(
        description("/control").replace(b"<root>", b"<root><URLBase>http://127.0.0.1:7777/</URLBase>")
    ),
    "/name": page(description("/control", NAME)),
}


def test_forged_locations_are_not_followed(attack: Any, forge: Any, web: Any) -> None:
    """This covers loopback, other hosts, metadata, redirects, XML bombs and slow answers."""
    hits: list[str] = []
    root = web(PAGES, hits)
    elsewhere = [
        "http://127.0.0.1:7777/desc.xml",
        "http://192.168.88.2:7777/desc.xml",
        f"http://{VICTIM}:7777/desc.xml",
        f"http://{GATEWAY}:7777/desc.xml",
        "http://169.254.169.254/latest/meta-data/",
        "http://localhost:7777/",
        "http://0.0.0.0:7777/",
        f"http://{ATTACKER}@127.0.0.1:7777/",
        "file:///etc/passwd",
        "http://2130706433:7777/",
    ]
    own = [root + path for path in PAGES if path != "/"]
    forger = forge(lambda _: elsewhere + own)
    started = time.monotonic()
    with attack.daemon("--backend", "upnp") as running:
        took = time.monotonic() - started
        before = attack.measure(running)
        running.until(lambda: forger.searches > 1, "searched", timeout=60)
        time.sleep(7)  # longer than every time limit of a request
        print(f"\nopen after {took:.2f} s; {forger.sent} forged answers, {len(hits)} pages fetched")
        attack.check(running, before, "forged SSDP", lines=10)
    log = attack.log.read_text()
    assert "\x1b" not in log
    assert len(hits) <= 60


def test_escapes_in_a_name_are_not_printed(attack: Any, forge: Any, web: Any) -> None:
    """`discover` removes or escapes them, in the table and in JSON."""
    from netlab.program import Program

    hits: list[str] = []
    root = web(PAGES, hits)
    forge(lambda _: [f"{root}/name"])
    program = Program(attack.lab.lan, attack.directory)
    # The description of another device is read only if the user names it or the gateway does not answer.
    for arguments in (("discover",), ("discover", "--json")):
        finished = program.run(*arguments, "--gateway", ATTACKER)
        assert finished.status == 0
        assert "\x1b" not in finished.output
        assert "\x07" not in finished.output
        assert len(finished.output) < 8000
    assert "/name" in hits


def test_a_flood_of_answers_uses_few_resources(attack: Any, forge: Any, web: Any) -> None:
    """Few of the LOCATIONs are fetched, and the ports are opened."""
    hits: list[str] = []
    root = web(PAGES, hits)
    deadline = time.monotonic() + FLOOD

    def many(search: int) -> list[str]:
        return [f"{root}/{search}-{number}" for number in range(3000)] if time.monotonic() < deadline else []

    forger = forge(many)
    with attack.daemon("--backend", "upnp") as running:
        before = attack.measure(running)
        time.sleep(max(0.0, deadline - time.monotonic()) + 1)
        print(f"\n{forger.sent} answers in {FLOOD:.0f} s, {len(hits)} pages fetched")
        attack.check(running, before, "flood of SSDP answers", lines=10)
    assert len(hits) <= 16 * 8


def test_a_flood_of_announcements_changes_nothing(attack: Any, spoof: Any) -> None:
    """They have the attacker's or the gateway's address and any kind, location and boot id."""

    def notify(number: int) -> tuple[bytes, str]:
        kind = "ssdp:byebye" if number % 7 == 0 else "ssdp:alive"
        data = (
            f"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: {kind}\r\n"
            f"LOCATION: http://{GATEWAY}:7777/{number}\r\nBOOTID.UPNP.ORG: {number}\r\n"
            f"NT: {KIND}\r\nUSN: uuid:5d1f2c30-0000-4000-8000-000000000001::{KIND}\r\n\r\n"
        ).encode()
        source = GATEWAY if number % 2 else ATTACKER
        return spoof((source, 1900), GROUP, data), GROUP[0]

    with attack.daemon("--backend", "upnp") as running:
        before = attack.measure(running)
        sent = attack.flood(FLOOD, notify)
        time.sleep(1)
        print(f"\n{sent} announcements in {FLOOD:.0f} s")
        after = attack.check(running, before, "flood of announcements", lines=24)
        assert after.cpu - before.cpu < FLOOD
