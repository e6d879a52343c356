"""Connections to the checked addresses only."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from portmapper_http.source import HttpSource

CSV = b"port;protocol\n80;TCP\n"


async def test_the_connection_goes_to_the_checked_address(
    monkeypatch: pytest.MonkeyPatch, server: Any
) -> None:
    """A name is resolved only once, so that a second answer (DNS rebinding) has no effect."""
    answers = [[(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers.pop())
    url = server.answers("/x", body=CSV).replace("127.0.0.1", "rebinding.test")
    assert (await HttpSource(url).fetch()).content == CSV
    assert answers == []
