"""The contract of token sources: tests that every source of tokens must pass."""

from __future__ import annotations

from ipaddress import ip_address
from itertools import product

import pytest

from portmapper.api.model import Protocol
from portmapper.api.tokens import TOKEN_LENGTH
from portmapper.testing.calls import check_name
from portmapper.testing.subjects import TokenSubject

HOSTS = (ip_address("192.168.1.10"), ip_address("2001:db8::10"))
GATEWAYS = ("pcp:192.168.1.1", "pcp:fe80::1%eth0")
MAPPINGS = tuple(product(GATEWAYS, Protocol, HOSTS, (1, 80, 65535)))


class TokenContract:
    """Tests of a source of tokens. Override the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> TokenSubject:
        """Return two objects that are configured in the same way."""
        raise NotImplementedError("override the fixture `subject` in your class")

    def test_it_has_a_name(self, subject: TokenSubject) -> None:
        """`status` shows it if the source fails."""
        check_name(subject.tokens.name)

    def test_a_token_has_12_bytes(self, subject: TokenSubject) -> None:
        """It is a nonce of PCP."""
        for mapping in MAPPINGS:
            token = subject.tokens.token(*mapping)
            assert type(token) is bytes
            assert len(token) == TOKEN_LENGTH

    def test_every_host_chooses_the_same_token(self, subject: TokenSubject) -> None:
        """The next leader could not renew the mapping otherwise."""
        for mapping in MAPPINGS:
            assert subject.tokens.token(*mapping) == subject.other.token(*mapping)

    def test_every_mapping_has_another_token(self, subject: TokenSubject) -> None:
        """A host that learns one token can close only that mapping."""
        tokens = {subject.tokens.token(*mapping) for mapping in MAPPINGS}
        assert len(tokens) == len(MAPPINGS)
