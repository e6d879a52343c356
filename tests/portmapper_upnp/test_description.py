"""Device descriptions in the forms of many vendors, and the control URLs found in them.

The documents are modeled on what is known of these devices, not captured from them.
"""

from __future__ import annotations

import asyncio

import pytest

from portmapper.api.errors import NetworkFailure, Unsupported
from portmapper_upnp.body_text import decode
from portmapper_upnp.description import canonical_description
from portmapper_upnp.lenient_xml import parse, text_of
from portmapper_upnp.scpd import FIREWALL_CONTROL, WAN_CONNECTION, ServiceKind

HOST = "192.168.1.1"
IP1 = "urn:schemas-upnp-org:service:WANIPConnection:1"
IP2 = "urn:schemas-upnp-org:service:WANIPConnection:2"
PPP = "urn:schemas-upnp-org:service:WANPPPConnection:1"
COMMON = "urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1"
FORWARDING = "urn:schemas-upnp-org:service:Layer3Forwarding:1"
FIREWALL = "urn:schemas-upnp-org:service:WANIPv6FirewallControl:1"
ODD = "URN:Schemas-UPnP-Org:Service:WANIPConnection:1"
XMLNS = ' xmlns="urn:schemas-upnp-org:device-1-0"'
PROLOGUE = '<?xml version="1.0"?>\n'


def service(kind: str, control: str, *, scpd: bool = True, prefix: str = "") -> str:
    """Build a service; some vendors omit elements."""
    described = f"<{prefix}SCPDURL>/x.xml</{prefix}SCPDURL>" if scpd else ""
    return (
        f"<{prefix}service><{prefix}serviceType>{kind}</{prefix}serviceType>"
        f"<{prefix}serviceId>urn:upnp-org:serviceId:1</{prefix}serviceId>"
        f"<{prefix}controlURL>{control}</{prefix}controlURL><{prefix}eventSubURL>/e</{prefix}eventSubURL>"
        f"{described}</{prefix}service>"
    )


def device(name: str, services: str = "", devices: str = "", *, version: int = 1, facts: str = "") -> str:
    """Build a device with its services and embedded devices."""
    inside = f"<serviceList>{services}</serviceList>" if services else ""
    inside += f"<deviceList>{devices}</deviceList>" if devices else ""
    kind = f"urn:schemas-upnp-org:device:{name}:{version}"
    return f"<device><deviceType>{kind}</deviceType>{facts}<UDN>uuid:{name}</UDN>{inside}</device>"


def nested(*connections: str, version: int = 1, facts: str = "", first: str = "") -> str:
    """Build the three nested devices of the standard."""
    connection = device("WANConnectionDevice", "".join(connections), version=version)
    wan = device("WANDevice", service(COMMON, "/common"), connection, version=version)
    services = first or service(FORWARDING, "/l3f")
    return device("InternetGatewayDevice", services, wan, version=version, facts=facts)


def root(content: str, *, xmlns: str = XMLNS, base: str = "", prologue: str = PROLOGUE) -> str:
    """Build the document around a device."""
    url = f"<URLBase>{base}</URLBase>" if base else ""
    spec = "<specVersion><major>1</major><minor>0</minor></specVersion>"
    return f"{prologue}<root{xmlns}>{spec}{url}{content}</root>"


def found(
    body: str | bytes, port: int = 5000, path: str = "/desc.xml", kind: ServiceKind = WAN_CONNECTION
) -> list[tuple[str, str]]:
    """Return type and control URL of each service of a kind."""
    text = decode(body if isinstance(body, bytes) else body.encode(), None, len(body) * 4)
    canonical = parse(canonical_description(text, f"http://{HOST}:{port}{path}", kind))
    return [(text_of(s, "serviceType"), text_of(s, "controlURL")) for s in canonical.iter("service")]


UMLAUT = "<friendlyName>Router f\u00fcr Zuhause</friendlyName>"

CASES = {
    "fritzbox": (
        root(
            nested(
                service(IP2, "/igd2upnp/control/WANIPConn1"), service(FIREWALL, "/igd2upnp/fw"), version=2
            ),
            xmlns=XMLNS + ' xmlns:avm="urn:avm.de:device-1-0"',
        ).replace("<UDN>", "<avm:thing>1</avm:thing><UDN>", 1),
        49000,
        [(IP2, f"http://{HOST}:49000/igd2upnp/control/WANIPConn1")],
    ),
    "routeros": (
        root(nested(service(IP1, "/upnp/control/wan1/1"), service(IP1, "/upnp/control/wan1/2"))),
        2828,
        [(IP1, f"http://{HOST}:2828/upnp/control/wan1/{number}") for number in (1, 2)],
    ),
    "miniupnpd": (
        root(nested(service(IP1, "/ctl/IPConn"), service(FIREWALL, "/ctl/IP6FCtl")), prologue=""),
        5000,
        [(IP1, f"http://{HOST}:5000/ctl/IPConn")],
    ),
    "asus": (
        root(nested(service(IP1, "http://192.168.1.1:38751/ctl/IPConn")), base="http://192.168.1.1:38751"),
        38751,
        [(IP1, f"http://{HOST}:38751/ctl/IPConn")],
    ),
    "tp-link": (
        root(nested(service(IP1, "ipc", scpd=False)), base=f"http://{HOST}:1900/"),
        1900,
        [(IP1, f"http://{HOST}:1900/ipc")],
    ),
    "netgear": (
        root(nested(service(PPP, "/Public_UPNP_C5"), service(IP1, "/Public_UPNP_C3"))),
        80,
        [(PPP, f"http://{HOST}:80/Public_UPNP_C5"), (IP1, f"http://{HOST}:80/Public_UPNP_C3")],
    ),
    "d-link with a base that has no slash": (
        root(nested(service(IP1, "soap.cgi?service=WANIPConn1")), base=f"http://{HOST}:49152"),
        49152,
        [(IP1, f"http://{HOST}:49152/soap.cgi?service=WANIPConn1")],
    ),
    "linksys with an old namespace": (
        root(nested(service(IP1, "/upnp/control/WANIPConn1")), xmlns=' xmlns="upnp-org:device-1-0"'),
        49153,
        [(IP1, f"http://{HOST}:49153/upnp/control/WANIPConn1")],
    ),
    "huawei with PPP before IP": (
        root(nested(service(PPP, "/control/WANPPPConnection_1"), service(IP1, "/control/WANIPConnection_1"))),
        37215,
        [
            (PPP, f"http://{HOST}:37215/control/WANPPPConnection_1"),
            (IP1, f"http://{HOST}:37215/control/WANIPConnection_1"),
        ],
    ),
    "zte with a NUL at the end": (
        root(nested(service(PPP, "/upnp/control/WANPPPConn1"))) + "\0",
        52869,
        [(PPP, f"http://{HOST}:52869/upnp/control/WANPPPConn1")],
    ),
    "technicolor on another port": (
        root(nested(service(IP1, f"http://{HOST}:8000/IGD/upnp/control/igd/wanipc_1_1_1"))),
        80,
        [
            (IP1, f"http://{HOST}:8000/IGD/upnp/control/igd/wanipc_1_1_1"),
            (IP1, f"http://{HOST}:80/IGD/upnp/control/igd/wanipc_1_1_1"),
        ],
    ),
    "speedport in Latin-1": (
        root(
            nested(service(PPP, "/ppp"), facts=UMLAUT),
            prologue='<?xml version="1.0" encoding="ISO-8859-1"?>',
        ).encode("latin-1"),
        49152,
        [(PPP, f"http://{HOST}:49152/ppp")],
    ),
    "pfsense with bare ampersands": (
        root(nested(service(IP1, "/ctl/IPConn"), facts="<friendlyName>R & D <![CDATA[<x>]]></friendlyName>")),
        2189,
        [(IP1, f"http://{HOST}:2189/ctl/IPConn")],
    ),
    "ubiquiti with blanks and lines around each text": (
        root(nested(service(f"\n   {IP1}\n ", "\n  /ctl/IPConn \n"))),
        5000,
        [(IP1, f"http://{HOST}:5000/ctl/IPConn")],
    ),
    "dd-wrt with a byte order mark": (
        b"\xef\xbb\xbf" + root(nested(service(IP1, "/InternetGatewayDevice/WANIP"))).encode(),
        5431,
        [(IP1, f"http://{HOST}:5431/InternetGatewayDevice/WANIP")],
    ),
    "prefixes that are bound to nothing": (
        root(nested(service(IP1, "/c", prefix="d:"))),
        5000,
        [(IP1, f"http://{HOST}:5000/c")],
    ),
    "a type in another case": (
        root(nested(service(ODD, "/c"))),
        5000,
        [(ODD, f"http://{HOST}:5000/c")],
    ),
    "a base on another address": (
        root(nested(service(IP1, "/c")), base="http://10.0.0.138:80/"),
        5000,
        [(IP1, f"http://{HOST}:5000/c"), (IP1, f"http://{HOST}:80/c")],
    ),
    "a base that is no URL": (
        root(nested(service(IP1, "/c")), base="http://[broken"),
        5000,
        [(IP1, f"http://{HOST}:5000/c")],
    ),
    "all services in the root device": (
        root(device("InternetGatewayDevice", service(COMMON, "/a") + service(IP1, "/c"))),
        5000,
        [(IP1, f"http://{HOST}:5000/c")],
    ),
    "utf-16": (
        root(nested(service(IP1, "/c")), prologue='<?xml version="1.0" encoding="UTF-16"?>').encode("utf-16"),
        5000,
        [(IP1, f"http://{HOST}:5000/c")],
    ),
    "an unknown encoding": (
        root(nested(service(IP1, "/c")), prologue='<?xml version="1.0" encoding="x-router"?>'),
        5000,
        [(IP1, f"http://{HOST}:5000/c")],
    ),
    "garbage before and after": (
        "\r\n  HTTP " + root(nested(service(IP1, "/c"))) + "<more/>trailing",
        5000,
        [(IP1, f"http://{HOST}:5000/c")],
    ),
    "a service without a control URL beside one with": (
        root(nested(service(IP1, ""), service(PPP, "/ppp"))),
        5000,
        [(PPP, f"http://{HOST}:5000/ppp")],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_description_gives_types_and_control_urls(name: str) -> None:
    """Types exactly as the device spells them; control URLs absolute and on the gateway."""
    body, port, expected = CASES[name]
    assert found(body, port) == expected


def test_the_firewall_is_read_on_request() -> None:
    """A device without one is unsupported over IPv6."""
    both = root(nested(service(IP1, "/ctl/IPConn"), service(FIREWALL, "/ctl/IP6FCtl")))
    assert found(both, kind=FIREWALL_CONTROL) == [(FIREWALL, f"http://{HOST}:5000/ctl/IP6FCtl")]
    with pytest.raises(Unsupported, match="no IPv6 firewall control"):
        found(root(nested(service(IP1, "/ctl/IPConn"))), kind=FIREWALL_CONTROL)


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (b"<root>" + b"x" * (300 * 1024) + b"</root>", NetworkFailure),
        (b"<a>" * 10_000, NetworkFailure),
        (b"<!DOCTYPE root><root/>", Unsupported),
        (b'<!DOCTYPE r [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><root>&b;</root>', Unsupported),
        (b"not xml", NetworkFailure),
        (b"", NetworkFailure),
        (b"<root/>", Unsupported),
    ],
)
async def test_h4_a_hostile_description_is_refused(router, connected, build, document, error):
    """Too long, too deep, with a document type, or no XML at all."""
    router.replies["description"] = build.http(document)
    with pytest.raises(error):
        await connected()


@pytest.mark.parametrize(
    ("control", "path"),
    [
        ("/a/control", "/a/control"),
        ("a/control", "/a/control"),
        ("?control", "/desc.xml?control"),
        ("http://127.0.0.1:{port}/other", "/other"),
    ],
)
async def test_h6_control_urls_are_resolved(router, connected, build, control, path):
    """Relative, only a query, or absolute."""
    router.description = build.description(
        build.service("WANIPConnection:1", control.format(port=router.port))
    )
    await (await connected()).external_address()
    assert router.heads[-1].startswith(f"POST {path} ")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_h6_urlbase_is_used_on_another_port(router, connected, build, slash):
    """With or without a trailing slash."""
    second = await asyncio.start_server(router.serve, "127.0.0.1", 0)
    base = f"<URLBase>http://127.0.0.1:{second.sockets[0].getsockname()[1]}{slash}</URLBase>"
    router.description = build.description(build.service("WANIPConnection:1", "control"), before=base)
    await (await connected()).external_address()
    assert base[9:-10].removeprefix("http://").rstrip("/") in router.heads[-1]
    second.close()
    await second.wait_closed()


@pytest.mark.parametrize("control", ["http://[/", "ftp://127.0.0.1/", "http://10.0.0.1:0/"])
async def test_h6_an_invalid_control_url_is_refused(router, connected, build, control):
    """Nothing is sent there."""
    router.description = build.description(build.service("WANIPConnection:1", control))
    with pytest.raises(Unsupported):
        await connected()
