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
