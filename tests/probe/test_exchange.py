"""What a probe server says, in messages."""

from __future__ import annotations

import pytest

from portmapper.probe.exchange import ProbeServer, _shown


@pytest.mark.parametrize(
    "text", ["not authorized: Bearer s3cr3t-token", "see https://user:s3cr3t-token@example.org/?s3cr3t-token"]
)
def test_the_token_and_secrets_of_urls_are_masked(text: str) -> None:
    """The server may repeat the request, and the library the URL."""
    assert "s3cr3t" not in _shown(ProbeServer("http://198.51.100.7:9700", "s3cr3t-token"), text)
    assert "user" not in _shown(ProbeServer("http://198.51.100.7:9700"), "at http://user:pw@198.51.100.7/")
