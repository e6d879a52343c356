"""Redirects: which are followed, and which are not."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest

from portmapper.api import FetchOptions, SourceError
from portmapper_http import address_check, connector
from portmapper_http.source import HttpSource

CSV = b"port;protocol\n80;TCP\n"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed(server: Any, status: int) -> None:
    """Relative or absolute; the suffix is that of the last URL."""
    server.answers("/b.csv", body=CSV)
    document = await HttpSource(server.redirects("/a", "b.csv", status)).fetch()
    assert (document.content, document.suffix) == (CSV, ".csv")


async def test_five_redirects_are_followed_and_not_six(failure: Any, server: Any) -> None:
    """The limit of the contract."""
    for number in range(6):
        server.redirects(f"/{number}", f"/{number + 1}")
    server.answers("/6", body=CSV)
    assert (await HttpSource(server.url("/1")).fetch()).content == CSV
    assert await failure(server.url("/0")) == "more than 5 redirects"


async def test_a_loop_of_redirects_is_an_error(failure: Any, server: Any) -> None:
    """The loop is entered only once."""
    server.redirects("/b", "/a")
    assert await failure(server.redirects("/a", "/b")) == "redirects in a loop"
    assert len(server.requests) == 2


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/", "//[", "http://x:0/", ""])
async def test_a_redirect_elsewhere_is_not_followed(failure: Any, server: Any, location: str) -> None:
    """Neither to another scheme nor to an invalid URL."""
    assert "not followed" in await failure(server.redirects("/x", location))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Give host names their addresses, and connect to loopback for all of them."""
    names: dict[str, list[str]] = {}

    async def resolve(url: Any) -> list[address_check.IPAddress]:
        return [ipaddress.ip_address(address) for address in names[url.host]]

    connect = connector.pinned_connector
    monkeypatch.setattr(address_check, "resolve", resolve)
    monkeypatch.setattr(connector, "pinned_connector", lambda _, tls: connect(["127.0.0.1"], tls))
    return names


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["192.168.1.1"],
        ["169.254.169.254"],
        ["100.64.0.1"],
        ["::1"],
        ["fd00::1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["8.8.8.8", "10.0.0.1"],
    ],
)
async def test_a_public_server_cannot_redirect_to_a_private_one(
    failure: Any, server: Any, names: dict[str, list[str]], addresses: list[str]
) -> None:
    """In any notation of the private address, and also if only one of several is private."""
    names.update({"public.test": ["8.8.8.8"], "private.test": addresses})
    server.redirects("/a", server.url("/secret?key=1", "private.test"))
    assert "a private address; not followed" in await failure(server.url("/a", "public.test"))
    assert [request.path for request in server.requests] == ["/a"]


async def test_a_public_server_in_the_chain_is_enough(
    failure: Any, server: Any, names: dict[str, list[str]]
) -> None:
    """A private server may redirect to a public one, but that one not back to a private one."""
    names.update({"home.test": ["10.0.0.1"], "public.test": ["8.8.8.8"]})
    server.redirects("/a", server.url("/b", "public.test"))
    server.redirects("/b", server.url("/c", "home.test"))
    assert "private address" in await failure(server.url("/a", "home.test"))


async def test_a_private_server_may_redirect(server: Any, names: dict[str, list[str]]) -> None:
    """To other private servers and to public ones."""
    names.update({"home.test": ["10.0.0.1"], "nas.test": ["10.0.0.2"], "public.test": ["8.8.8.8"]})
    server.redirects("/a", server.url("/b", "nas.test"))
    server.redirects("/b", server.url("/c", "public.test"))
    server.answers("/c", body=CSV)
    assert (await HttpSource(server.url("/a", "home.test")).fetch()).content == CSV


async def test_a_redirect_from_http_to_https_is_followed(server: Any, tls_server: Any) -> None:
    """To no other scheme. The settings name the authority of the server."""
    tls_server.answers("/b.csv", body=CSV)
    source = HttpSource(server.redirects("/a", tls_server.url("/b.csv")))
    source.fetch_options = FetchOptions(ca_file=tls_server.authority)
    assert (await source.fetch()).content == CSV


async def test_a_redirect_from_https_to_http_is_not_followed(server: Any, tls_server: Any) -> None:
    """It would send the list in clear text."""
    source = HttpSource(tls_server.redirects("/a", server.url("/b.csv")))
    source.fetch_options = FetchOptions(ca_file=tls_server.authority)
    with pytest.raises(SourceError, match="not followed: not https"):
        await source.fetch()


async def test_the_location_of_a_redirect_shows_no_secret(failure: Any, server: Any) -> None:
    """The server chose it."""
    error = await failure(server.redirects("/x", "ftp://me:pw@host/s3cr3tT0k3n?key=1"))
    assert "redirects to 'ftp://***@host/***?***'" in error


SECRET = "qzXsecretXzq"


@pytest.mark.parametrize(
    "location",
    [
        f"ftp://user:{SECRET}@h/x",
        f"data:text/plain,{SECRET}",
        f"x?token={SECRET}://h/",
        f"mailto:{SECRET}@h",
        f"http://user:{SECRET}@[::1/x",
        f"http:///{SECRET}",
        f"//user:{SECRET}@/x?token={SECRET}",
        f"http://h:99999/?key={SECRET}",
    ],
)
async def test_a_redirect_shows_no_secret(failure: Any, server: Any, location: str) -> None:
    """Whatever the server sends, and without the name of a Python type."""
    error = await failure(server.redirects("/x", location))
    assert SECRET not in error
    assert not re.search(r"[a-z]Error\b", error)
