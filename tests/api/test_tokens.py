"""Tokens that are derived from a cluster's secret."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from portmapper.api import DerivedTokens, Protocol, UsageError
from portmapper.testing import TokenContract, TokenSubject

SECRET = b"0123456789abcdef0123456789abcdef"
HOST = ip_address("192.168.88.50")


class TestDerivedTokens(TokenContract):
    """The tokens of two hosts with the same secret."""

    @pytest.fixture
    def subject(self) -> TokenSubject:
        """Return the sources of both hosts."""
        return TokenSubject(DerivedTokens(SECRET), DerivedTokens(SECRET))


def test_another_secret_gives_other_tokens() -> None:
    """Two clusters behind one gateway cannot close each other's ports."""
    one, other = DerivedTokens(SECRET), DerivedTokens(SECRET[::-1])
    mapping = ("pcp:192.168.88.1", Protocol.TCP, HOST, 8443)
    assert one.token(*mapping) != other.token(*mapping)


def test_a_short_secret_is_refused_without_showing_it() -> None:
    """A host on the network could guess it."""
    with pytest.raises(UsageError, match="has 5 bytes, which is too short") as refused:
        DerivedTokens(b"hello")
    assert "hello" not in str(refused.value)


def test_a_token_is_an_hmac_of_what_identifies_the_mapping() -> None:
    """A later version must choose the same tokens, so this value never changes."""
    token = DerivedTokens(SECRET).token("pcp:192.168.88.1", Protocol.TCP, HOST, 8443)
    assert token is not None
    assert token.hex() == "9ada32f97eb7539c9244b259"
