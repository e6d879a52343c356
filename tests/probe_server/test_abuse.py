"""The probe server cannot be used against others: only the host that asks gets packets, and few of them."""

from __future__ import annotations

import asyncio
import collections
import json
import socket
from collections.abc import AsyncIterator, Callable
from ipaddress import ip_address
from typing import Any

import aiohttp
import pytest

from portmapper.probe.wire import MAX_BODY, MAX_PORTS, ORDER_SIZE, PATH, order_datagram
from portmapper.probe_server import tcp, udp
from portmapper.probe_server.counts import Counts
from portmapper.probe_server.limits import Limits, Rate
from portmapper.probe_server.peer import Peer
from portmapper.probe_server.server import probe_server

NONCE = "ab" * 16
THIRD_PARTY = "127.0.0.2"


@pytest.fixture(autouse=True)
def targets(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that any probe goes to; also shortens the waits."""
    found: list[str] = []
    original = Peer.endpoint

    def endpoint(peer: Peer, port: int) -> Any:
        found.append(original(peer, port)[0])
        return original(peer, port)

    monkeypatch.setattr(Peer, "endpoint", endpoint)
    monkeypatch.setattr(tcp, "HOLD", 0.05)
    monkeypatch.setattr(udp, "WAIT", 0.3)
    return found


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server with the default limits."""
    async with probe_server(ip_address("127.0.0.1"), 0) as chosen:
        yield chosen


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client."""
    async with aiohttp.ClientSession() as session:
        yield session


def row(port: int, protocol: str = "TCP") -> dict[str, Any]:
    """Return a port as a request has it."""
    return {"port": port, "protocol": protocol, "nonce": NONCE}


async def ask(
    client: aiohttp.ClientSession, port: int, body: Any, host: str = "127.0.0.1", **options: Any
) -> tuple[int, list[dict[str, Any]]]:
    """Send a request; return the status and the lines of the answer."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    url = f"http://{host}:{port}{PATH}"
    async with client.post(url, data=data, allow_redirects=False, **options) as response:
        text = await response.text()
    return response.status, [json.loads(line) for line in text.splitlines()] if response.status == 200 else []


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": f"{THIRD_PARTY}:80"},
        {"Origin": f"http://{THIRD_PARTY}", "Referer": f"http://{THIRD_PARTY}/"},
        {"X-Client-IP": THIRD_PARTY, "True-Client-IP": THIRD_PARTY, "CF-Connecting-IP": THIRD_PARTY},
        {"Location": f"http://{THIRD_PARTY}/", "Upgrade": "h2c"},
    ],
)
async def test_no_header_changes_the_target(
    client: aiohttp.ClientSession, port: int, targets: list[str], free_port: Callable[[], int], headers: Any
) -> None:
    """The target is the peer of the connection."""
    status, lines = await ask(client, port, {"ports": [row(free_port())]}, headers=headers)
    assert (status, lines[0]["peer"]) == (200, "127.0.0.1")
    assert set(targets) == {"127.0.0.1"}


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"])
async def test_a_proxy_on_this_host_is_refused(
    client: aiohttp.ClientSession, port: int, targets: list[str], free_port: Callable[[], int], header: str
) -> None:
    """Otherwise every client could probe the ports of the server's own loopback."""
    status, _ = await ask(client, port, {"ports": [row(free_port())]}, headers={header: THIRD_PARTY})
    assert (status, targets) == (403, [])


@pytest.mark.parametrize(
    "body",
    [
        {"ports": [row(80)], "address": THIRD_PARTY},
        {"ports": [{**row(80), "address": THIRD_PARTY}]},
        {"ports": ["1-65535"]},
        {"ports": [row(number) for number in range(1, MAX_PORTS + 2)]},
        "[" * (MAX_BODY - 10),
        "{",
        b"\xff\xfe",
        "",
    ],
)
async def test_an_invalid_request_sends_nothing(
    client: aiohttp.ClientSession, port: int, targets: list[str], body: Any
) -> None:
    """Addresses and ranges have no place in a request."""
    status, _ = await ask(client, port, body)
    assert (status, targets) == (400, [])


async def test_a_large_body_is_refused(client: aiohttp.ClientSession, port: int, targets: list[str]) -> None:
    """It is not read to its end."""
    status, _ = await ask(client, port, "x" * (MAX_BODY + 1))
    assert (status, targets) == (413, [])


async def test_a_mapped_address_is_its_ipv4_address(
    client: aiohttp.ClientSession, targets: list[str], free_port: Callable[[], int]
) -> None:
    """A server on [::] sees IPv4 clients as ::ffff:a.b.c.d."""
    async with probe_server(ip_address("::"), 0) as port:
        status, lines = await ask(client, port, {"ports": [row(free_port())]})
        assert (status, lines[0]["peer"], lines[1]["source"]) == (200, "127.0.0.1", "127.0.0.1")
        assert set(targets) == {"127.0.0.1"}


async def test_other_paths_and_methods_do_nothing(
    client: aiohttp.ClientSession, port: int, targets: list[str]
) -> None:
    """The server never redirects, and is no proxy."""
    for method, path in (
        ("GET", PATH),
        ("CONNECT", PATH),
        ("POST", "/"),
        ("POST", f"{PATH}/"),
        ("GET", "//x"),
    ):
        url = f"http://127.0.0.1:{port}{path}"
        async with client.request(method, url, allow_redirects=False) as response:
            assert response.status in (400, 404, 405)
    assert targets == []


async def test_thousands_of_requests_cause_few_probes(
    targets: list[str], free_port: Callable[[], int]
) -> None:
    """All but the first ones are refused before they are read."""
    counts = Counts()
    body = json.dumps({"ports": [row(free_port())]})
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"
    ).encode()

    async def send(number: int) -> int:
        answered = 0
        for _ in range(number):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request)
            status = (await reader.read())[:12]
            writer.close()
            answered += status == b"HTTP/1.1 200"
        return answered

    limits = Limits(requests=Rate(30, 0.01))
    async with probe_server(ip_address("127.0.0.1"), 0, limits=limits, counts=counts) as port:
        served = sum(await asyncio.gather(*(send(500) for _ in range(4))))
    assert served <= 31
    assert len(targets) <= 31
    assert set(targets) == {"127.0.0.1"}


async def test_ports_of_an_address_are_limited(
    client: aiohttp.ClientSession, port: int, targets: list[str]
) -> None:
    """A client cannot scan even its own network."""
    statuses = []
    for start in range(20_000, 20_000 + 20 * MAX_PORTS, MAX_PORTS):
        rows = [row(number) for number in range(start, start + MAX_PORTS)]
        statuses.append((await ask(client, port, {"ports": rows}))[0])
    assert statuses[:6] == [200] * 6
    assert set(statuses[6:]) == {429}
    assert len(targets) <= 100


class Udp:
    """A UDP session as a client sees it."""

    def __init__(self, greeting: dict[str, Any], port: int) -> None:
        self.session, self.cookie = bytes.fromhex(greeting["session"]), bytes.fromhex(greeting["cookie"])
        self.server = ("127.0.0.1", port)
        self.port = port

    def order(self, target: int, cookie: bytes | None = None) -> bytes:
        """Return an order."""
        return order_datagram(self.session, self.cookie if cookie is None else cookie, target)


async def udp_session(
    client: aiohttp.ClientSession, port: int, target: int, orders: Callable[[Udp], list[tuple[str, bytes]]]
) -> list[dict[str, Any]]:
    """Ask for a UDP port, send datagrams from local addresses, and return the lines of the answer."""
    url = f"http://127.0.0.1:{port}{PATH}"
    async with client.post(url, json={"ports": [row(target, "UDP")]}) as response:
        greeting = json.loads(await response.content.readline())
        for source, datagram in orders(Udp(greeting, port)):
            with socket.socket(type=socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                sender.sendto(datagram, ("127.0.0.1", port))
        rest = await response.text()
    return [greeting, *(json.loads(line) for line in rest.splitlines())]


@pytest.fixture
def victim(free_port: Callable[[], int]) -> Any:
    """A UDP socket that counts what it gets."""
    with socket.socket(type=socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", free_port()))
        receiver.setblocking(False)
        yield receiver


def received(receiver: socket.socket) -> list[bytes]:
    """Return the datagrams so far."""
    found = []
    while True:
        try:
            found.append(receiver.recv(2000))
        except BlockingIOError:
            return found


async def test_one_smaller_datagram_for_each_order(
    client: aiohttp.ClientSession, port: int, victim: socket.socket
) -> None:
    """And at most three for a port."""
    target = victim.getsockname()[1]
    lines = await udp_session(client, port, target, lambda u: [("127.0.0.1", u.order(target))] * 10)
    datagrams = received(victim)
    assert len(datagrams) == udp.MAX_ORDERS
    assert all(len(datagram) < ORDER_SIZE for datagram in datagrams)
    assert lines[1]["result"] == "timeout"


@pytest.mark.parametrize(
    "orders",
    [
        lambda target: lambda u: [],
        lambda target: lambda u: [("127.0.0.1", u.order(target, b"x" * 16))],
        lambda target: lambda u: [(THIRD_PARTY, u.order(target))],
        lambda target: lambda u: [("127.0.0.1", u.order(target)[:-1])],
        lambda target: lambda u: [("127.0.0.1", u.order(target) + b"x")],
        lambda target: lambda u: [("127.0.0.1", u.order(target + 1))],
    ],
    ids=["none", "wrong cookie", "another sender", "too short", "too long", "another port"],
)
async def test_without_the_cookie_from_the_same_address_nothing_is_sent(
    client: aiohttp.ClientSession, port: int, victim: socket.socket, targets: list[str], orders: Any
) -> None:
    """A forged source address has no cookie."""
    target = victim.getsockname()[1]
    lines = await udp_session(client, port, target, orders(target))
    assert received(victim) == []
    assert targets == []
    assert lines[1]["result"] == "not-ordered"


async def test_an_order_after_the_session_is_ignored(
    client: aiohttp.ClientSession, port: int, victim: socket.socket
) -> None:
    """A cookie is worth nothing after its request."""
    target = victim.getsockname()[1]
    kept: list[Udp] = []
    await udp_session(client, port, target, lambda u: kept.append(u) or [])  # type: ignore[func-returns-value]
    with socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.sendto(kept[0].order(target), kept[0].server)
    async with client.get(f"http://127.0.0.1:{port}/metrics") as response:
        page = await response.text()
    assert received(victim) == []
    assert 'portmapper_probe_requests_total{outcome="served"} 1' in page


async def test_the_server_sends_nothing_over_tcp(
    client: aiohttp.ClientSession, port: int, free_port: Callable[[], int]
) -> None:
    """It cannot make a program do anything."""
    got: collections.deque[bytes] = collections.deque()

    async def program(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(await reader.read())
        writer.close()

    target = free_port()
    async with await asyncio.start_server(program, "127.0.0.1", target):
        _, lines = await ask(client, port, {"ports": [row(target)]})
    assert [line["result"] for line in lines[1:-1]] == ["connected"]
    assert list(got) == [b""]


async def test_metrics_have_no_addresses(
    client: aiohttp.ClientSession, port: int, free_port: Callable[[], int]
) -> None:
    """They count, and nothing else."""
    target = free_port()
    await ask(client, port, {"ports": [row(target)]})
    async with client.get(f"http://127.0.0.1:{port}/metrics") as response:
        page = await response.text()
    assert 'portmapper_probe_probes_total{result="tcp refused"} 1' in page
    assert "127.0.0.1" not in page
    assert str(target) not in page


async def test_a_page_of_the_internet_cannot_read_the_metrics(
    client: aiohttp.ClientSession, port: int
) -> None:
    """Its name may point to this host (DNS rebinding), so a browser on this host would ask for it."""
    url = f"http://127.0.0.1:{port}/metrics"
    for host, status in (("localhost", 200), ("attacker.example", 404)):
        async with client.get(url, headers={"Host": host}) as response:
            assert response.status == status


async def test_a_client_that_leaves_ends_its_probes(
    client: aiohttp.ClientSession, port: int, monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
) -> None:
    """The next requests have their places again."""
    monkeypatch.setattr(udp, "WAIT", 60)
    for _ in range(8):
        url = f"http://127.0.0.1:{port}{PATH}"
        async with client.post(url, json={"ports": [row(free_port(), "UDP")]}) as response:
            assert response.status == 200
            response.close()
        await asyncio.sleep(0.01)
    status, _ = await ask(client, port, {"ports": [row(free_port())]})
    assert status == 200
