"""XML with the usual mistakes of routers (H2 of the conformance list)."""

from __future__ import annotations

import gc
import weakref

import pytest

from portmapper.api.errors import Unsupported
from portmapper_upnp import lenient_xml
from portmapper_upnp.lenient_xml import parse, text_of

ADDRESS = "<NewExternalIPAddress>8.8.8.8</NewExternalIPAddress>"


@pytest.mark.parametrize(
    "body",
    [
        "<x:Envelope><x:Body><y:GetExternalIPAddressResponse>{}</y:GetExternalIPAddressResponse></x:Body></x:Envelope>",
        "<Envelope><Body><GetExternalIPAddressResponse>{}</GetExternalIPAddressResponse></Body></Envelope>",
        '<E xmlns="urn:a"><GetExternalIPAddressResponse xmlns="urn:b">{}</GetExternalIPAddressResponse></E>',
        "\ufeff \r\n<?xml version='1.0'?><GetExternalIPAddressResponse>{}</GetExternalIPAddressResponse>junk",
        "<E><GetExternalIPAddressResponse>{}<More>AT&T &nbsp;</More></GetExternalIPAddressResponse></E>\0\0",
    ],
)
async def test_h2_namespaces_do_not_matter(router, connected, build, body):
    """Unbound, missing and wrong namespaces, and garbage around the document."""
    gateway = await connected()
    router.replies["GetExternalIPAddress"] = build.http(body.format(ADDRESS))
    assert str(await gateway.external_address()) == "8.8.8.8"


async def test_h2_a_description_without_namespace_is_read(router, connected, build):
    """Descriptions are parsed in the same lenient way."""
    router.description = "garbage" + build.description(build.service("WANIPConnection:1"), namespace=False)
    assert (await connected()).model == "R1"


async def test_h2_a_comment_may_have_two_hyphens(router, connected, build):
    """XML forbids them, but routers draw lines with them."""
    router.description = build.description(
        build.service("WANIPConnection:1"), before="<!-- ---- a -- b ---- -->"
    )
    assert (await connected()).model == "R1"


@pytest.mark.parametrize("missing", [1, 20, 60])
async def test_h2_a_truncated_description_is_read(router, connected, build, missing):
    """A router that miscounts its length cuts off the end, after the services."""
    router.description = build.description(build.service("WANIPConnection:1"))[:-missing]
    assert (await connected()).model == "R1"


async def test_h2_a_truncated_control_url_is_dropped(router, connected, build):
    """An incomplete element is not used."""
    whole = build.description(build.service("WANIPConnection:1", "/control"))
    router.description = whole[: whole.index("/control") + 4]
    with pytest.raises(Unsupported, match="no WAN connection service"):
        await connected()


@pytest.mark.parametrize(
    "damaged",
    [
        "<a><code>725</code><text>Only\x00\ufffd</te\ufffdt></a>",
        "<a><code>725</code></b>",
        "<a><code>725</cod\ufffd></a>",
    ],
)
def test_h8_text_before_a_damaged_closing_tag_is_complete(damaged):
    """TP-Link Archer C8 overwrites bytes after the essential part."""
    assert text_of(parse(damaged, allow_truncated=True), "code") == "725"


def test_h8_text_without_a_closing_tag_may_be_incomplete():
    """The document ends within a number."""
    assert text_of(parse("<a><code>72", allow_truncated=True), "code") == ""


@pytest.mark.parametrize("text", ["<a><b>1</b></a>", "<a><b>1</b><c"])
def test_a_parser_is_freed_at_once(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Every answer of a gateway needs one, of 12 KiB; the garbage collector of a daemon rarely runs."""
    readers: list[weakref.ref[object]] = []

    class Reader(lenient_xml._TreeReader):
        def __init__(self) -> None:
            super().__init__()
            readers.append(weakref.ref(self))

    monkeypatch.setattr(lenient_xml, "_TreeReader", Reader)
    gc.disable()
    try:
        assert text_of(parse(text, allow_truncated=True), "b") == "1"
        assert [reader() for reader in readers] == [None]
    finally:
        gc.enable()
