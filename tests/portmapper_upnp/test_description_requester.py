"""Descriptions that are requested again."""

from __future__ import annotations

import pytest

from portmapper.api.errors import BackendError
from portmapper_upnp import description_requester


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Request a description again at once."""
    monkeypatch.setattr(description_requester, "BUSY_PAUSE", 0.0)


@pytest.mark.parametrize("status", ["503 Service Unavailable", "200 OK"])
async def test_h12_a_description_that_is_not_served_is_requested_once_more(router, connected, build, status):
    """The gateway is busy, or sends an empty document."""
    answers = [build.http("", status), build.http(router.description)]
    router._answer = lambda _path, _body: answers.pop(0)
    await connected()
    assert not answers


@pytest.mark.parametrize(("status", "requests"), [("404 Not Found", 1), ("503 Busy", 2)])
async def test_h12_a_description_that_stays_away_is_requested_at_most_twice(
    router, connected, build, status, requests
):
    """A page that does not exist is not requested again."""
    router.replies["description"] = build.http("", status)
    with pytest.raises(BackendError, match=status[:3]):
        await connected()
    assert len(router.heads) == requests


async def test_h12_a_description_that_is_cut_is_read_to_its_end(router, connected, build):
    """The declared length is too small, so the service is missing at first."""
    body = router.description
    cut = body.index("<serviceList>")
    router.replies["description"] = f"HTTP/1.1 200 OK\r\nContent-Length: {cut}\r\n\r\n{body}".encode()
    assert (await connected()).model == "R1"


async def test_h12_a_document_without_headers_is_read(router, connected):
    """As HTTP 0.9 answers."""
    router.replies["description"] = router.description.encode()
    assert (await connected()).model == "R1"


async def test_h12_a_body_that_is_not_chunked_as_declared_is_read(router, connected):
    """The header names chunks, and there are none."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    router.replies["description"] = head + router.description.encode()
    assert (await connected()).model == "R1"


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
async def test_d15_a_redirect_on_the_same_host_is_followed(router, connected, build, status):
    """The relative URLs of the description belong to the address that served it."""
    router.description = build.description(build.service("WANIPConnection:1", "control"))
    answers = [build.http("", status, "Location: /a/b.xml\r\n"), build.http(router.description)]
    router._answer = lambda _path, _body: answers.pop(0)
    gateway = await connected()
    assert router.heads[1].startswith("GET /a/b.xml ")
    assert gateway._connection.url == f"http://127.0.0.1:{router.port}/a/control"


@pytest.mark.parametrize(
    "target",
    ["http://192.0.2.7/desc.xml", "http://localhost/x", "file:///etc/passwd", "http://[", "//192.0.2.7/"],
)
async def test_d15_a_redirect_to_another_host_is_not_followed(router, connected, build, target):
    """A hostile device must not choose where we send requests."""
    router.replies["description"] = build.http("", "302 Found", f"Location: {target}\r\n")
    with pytest.raises(BackendError, match="302"):
        await connected()
    assert len(router.heads) == 1


async def test_d15_a_redirect_in_an_invalid_answer_is_followed(router, connected, build):
    """The lenient parser reads it too."""
    answers = [
        *[b"HTTP/1.1 302 Found\r\nno colon here\r\nLocation: /b.xml\r\nContent-Length: 0\r\n\r\n"] * 2,
        build.http(router.description),
    ]
    router._answer = lambda _path, _body: answers.pop(0)
    assert (await connected()).model == "R1"
    assert router.heads[-1].startswith("GET /b.xml ")
