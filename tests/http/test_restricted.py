"""What a token may open: no ports of other hosts or other tokens, unless the settings allow it."""

from __future__ import annotations

import ipaddress
from typing import Any, cast

import attrs
import pytest

from portmapper.api.config import READ
from portmapper.api.errors import UsageError
from portmapper.config.http_settings import HttpSettings
from portmapper.control.daemon_interface import DaemonInterface
from portmapper.http.restricted import Restricted
from portmapper.network.host import Interface, Network
from portmapper.sources.trust import Trust

HOME = Network((Interface("eth0", (ipaddress.ip_interface("192.168.1.5/24"),)),), ())
PORT = {"port": 8080, "protocol": "TCP"}


class Opener:
    """Notes what it opens."""

    last_event_id = 7

    def __init__(self) -> None:
        self.opened: list[object] = []

    async def open(self, records: object) -> dict[str, Any]:
        """Note the records."""
        self.opened.append(records)
        return {}


def restricted(opener: Opener, *trust: Trust) -> Restricted:
    """Return the daemon as requests over TCP see it."""
    return Restricted(cast(DaemonInterface, opener), frozenset(trust), lambda: HOME)


@pytest.mark.parametrize(
    ("record", "trust", "setting"),
    [
        ({"conflict": "overwrite"}, Trust.TAKE, "take"),
        ({"conflict": "take"}, Trust.TAKE, "take"),
        ({"address": "192.168.1.9"}, Trust.ADDRESSES, "addresses"),
        ({"address": "::ffff:192.168.1.9"}, Trust.ADDRESSES, "addresses"),
        ({"address": "2001:db8::9"}, Trust.ADDRESSES, "addresses"),
    ],
)
async def test_a_token_may_choose_only_what_the_operator_allows(
    record: dict[str, str], trust: Trust, setting: str
) -> None:
    """The message names the setting; one denied record denies the whole request."""
    opener, records = Opener(), [PORT, {**PORT, "port": 8081, **record}]
    with pytest.raises(
        UsageError, match=rf'TCP 8081: .* needs trust = \["{setting}"\] in the table \[http\]'
    ):
        await restricted(opener).open(records)
    assert not opener.opened
    await restricted(opener, trust).open(records)
    assert opener.opened == [records]


async def test_a_token_opens_ports_of_this_host() -> None:
    """By its address, too; and everything but `open` is the daemon's."""
    opener, records = Opener(), [PORT, {**PORT, "address": "192.168.1.5", "conflict": "next"}]
    daemon = restricted(opener)
    await daemon.open(records)
    assert opener.opened == [records]
    assert daemon.last_event_id == 7


async def test_the_listener_checks_the_trust(listening: Any) -> None:
    """With the settings of the table `[http]`."""
    record = '{"mappings": [{"port": 1, "protocol": "TCP", "conflict": "overwrite"}]}'
    async with listening() as site:
        sent = {"authorization": site.bearer(), "content_type": "application/json"}
        answer = await site.send("POST", "/v1/open", record, **sent)
        assert answer.status == 400
        assert "overwrite needs trust" in answer.document["detail"]
    async with listening(trust=frozenset(Trust)) as site:
        sent = {"authorization": site.bearer(), "content_type": "application/json"}
        assert (await site.send("POST", "/v1/open", record, **sent)).status == 200


@pytest.mark.parametrize(
    ("network", "canonical"),
    [
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.0.0.7", "10.0.0.7/32"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("::/0", "::/0"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_a_network_of_proxies_has_one_form(network: str, canonical: str) -> None:
    """The address of a client is compared in the same form."""

    read = attrs.fields_dict(HttpSettings)["trusted_proxies"].metadata[READ]
    assert read([network]) == (ipaddress.ip_network(canonical),)
