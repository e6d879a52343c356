"""The redactor replaces what identifies a person, a host or a network, and keeps the rest readable."""

from __future__ import annotations

import re
import time

import pytest

from portmapper.support.redaction import Redactor


@pytest.fixture
def redactor() -> Redactor:
    """A redactor that knows a user, a host, a home directory and a password."""
    names = [
        ("alice", "<user>"),
        ("nasbox", "<this-host>"),
        ("root", "<user>"),
        ("Alice's game", "<comment>"),
    ]
    return Redactor(["hunter22"], names, "/srv/homes/alice")


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("8080/tcp → 192.168.88.10:8080", "192.168.88.10"),
        ("external address 8.8.4.4.", "8.8.4.4"),
        ("gateway=10.0.0.1,next", "10.0.0.1"),
        ("v8.8.4.4_x", "8.8.4.4"),
        ("address:2001:db8::1", "2001:db8::1"),
        ("[2001:db8:1:2::9]:8080", "2001:db8:1:2::9"),
        ("2001:db8:1:2:3:4:5:6:8080", "2001:db8:1:2:3:4:5:6"),
        ("fe80::a1b2%eth0 is up", "fe80::a1b2"),
        ("2001:DB8::A1: no answer", "2001:DB8::A1"),
        ("::ffff:8.8.4.4 asks", "8.8.4.4"),
        ("::ffff:808:404 asks", "808:404"),
        ("two 2001:db8::1,2001:db8::2", "2001:db8::2"),
        ("MAC aa:bb:cc:0d:ee:ff", "aa:bb:cc:0d:ee:ff"),
        ("MAC AA-BB-CC-0D-EE-FF", "AA-BB-CC-0D-EE-FF"),
        ("MAC aabb.cc0d.eeff", "aabb.cc0d.eeff"),
        ("interface enxaabbcc0deeff", "aabbcc0deeff"),
        ("http://bob:pass1@lists.example.org/a", "bob"),
        ("http://bob:pass1@lists.example.org/a", "pass1"),
        ("http://bob:pass1@lists.example.org/a", "lists.example.org"),
        ("https://lists.example.org/hook/Zx81Qm44Lr0p", "Zx81Qm44Lr0p"),
        ("https://h.example/a?key=k4", "k4"),
        ("https://nas:8443/a", "nas"),
        ("connects to router.lan now", "router.lan"),
        ("pool-8-8-4-4.isp.example", "8-8-4-4"),
        ("pool-8-8-4-4.isp.example", "isp"),
        ("write to bob@mail.example", "bob"),
        ("/home/bob/ports.csv", "bob"),
        (r"C:\Users\Bob\ports.csv", "Bob"),
        ("/srv/homes/alice/ports.csv", "homes"),
        ("owner Alice wrote", "Alice"),
        ("NASBOX answers", "NASBOX"),
        ("for Alice's game only", "game"),
        ("it is hunter22xx", "hunter22"),
        ("Authorization: Bearer abc", "abc"),
        ("password=swordfish", "swordfish"),
        ('"mqtt_password": "swordfish"', "swordfish"),
        ("api-key: swordfish", "swordfish"),
        ("Basic YWxpY2U6cHc=", "YWxpY2U6cHc"),
        ("ab12cd34ef56ab78cd90ef12ab34cd56", "ab12cd34"),
        ("uuid:12345678-1234-1234-1234-123456789abc", "12345678-1234"),
        (r"C:\Users\Maria Lopez\ports.csv", "Lopez"),
        (r"\\ATTIC\share\ports.csv", "ATTIC"),
        ("~maria/ports.csv", "maria"),
        ("Nov 28 10:00:00 attic portmapper[12]: started", "attic"),
        ("2026-11-28T10:00:00+0100 attic portmapper[12]: started", "attic"),
        ("the password is horse7", "horse7"),
        ("login=maria", "maria"),
        ("<serialNumber>XYZ98</serialNumber>", "XYZ98"),
        ("serial no. XYZ98", "XYZ98"),
        ("0x08080404", "08080404"),
        ("198[.]51(.)100[.]9 asks", "198"),
        ("MAC aabbcc-ddeeff", "aabbcc"),
        ("aa bb cc dd ee ff", "bb cc"),
        ("interface wlxaabbccddeeff", "aabbcc"),
        ("uuid:upnp-smith-1_0::upnp:rootdevice", "smith"),
        ("uuid:12345678123412341234123456789abc", "12345678"),
        ("<friendlyName>Smith Family Router</friendlyName>", "Family"),
        ('friendly name "Smith\'s box"', "box"),
        ("friendly_name = Smith Router", "Router"),
        ("ssid=Smiths ESSID:'The Does'", "Does"),
        ("SSID: Smith WLAN 5G", "WLAN"),
        ("container smiths-cloud, label x", "smiths"),
        ("container_name: smiths-cloud", "smiths"),
        ("opened for user smith", "smith"),
        ("serial number 12345", "12345"),
        ("SN: 12AB34", "12AB34"),
        ("2001-db8--7 answers", "db8"),
        ("00-11-22-FF-FE-33-44-55", "44-55"),
        ("interface ID 211:22ff:fe33:4455", "22ff"),
        ("MAC aabbccddeeff0011", "aabbcc"),
        ("phone 491701234567890", "4917012"),
        ("xoxb-12345-abcde", "abcde"),
        ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
    ],
)
def test_what_identifies_somebody_is_replaced(redactor: Redactor, text: str, hidden: str) -> None:
    """Addresses in every notation, names, home directories, comments and secrets are gone."""
    assert hidden in text
    assert hidden.lower() not in redactor.redact(text).lower()


@pytest.mark.parametrize(
    "text",
    [
        "12:30:45 INFO 8080/tcp is open",
        "2026-11-28T13:07:40+00:00",
        "listens at 127.0.0.1:8080, [::1]:80, 0.0.0.0 and 239.255.255.250",
        "portmapper 0.2.0, Python 3.11.2, miniupnpd/2.3.1 UPnP/1.1",
        "portmapper.daemon.daemon and portmapper_upnp.igd and ports.csv",
        "the user root of localhost",
        "urn:schemas-upnp-org:device:InternetGatewayDevice:1",
        "/etc/portmapper/portmapper.toml:12",
        "0:01:00 left",
        "a container may have 100 ports, and the container engine is not running",
        "mapping: 8080/tcp, no password and no token",
    ],
)
def test_what_identifies_nobody_stays(redactor: Redactor, text: str) -> None:
    """Times, versions, names of files and modules, and addresses that all hosts have are needed."""
    assert redactor.redact(text) == text


def test_a_name_that_begins_like_the_home_directory_stays() -> None:
    """Such as the description of a router, for the user root."""
    assert Redactor(home="/root").redact("/rootDesc.xml and /root/x") == "/rootDesc.xml and ~/x"


def test_an_address_has_the_same_substitute_everywhere(redactor: Redactor) -> None:
    """A reader can follow an address through the report, and sees what kind it is."""
    text = redactor.redact("8.8.4.4, 8.8.4.4, 8.8.8.8, 192.168.1.1, 100.64.0.1, fe80::1")
    assert text == (
        "<public-ipv4-1>, <public-ipv4-1>, <public-ipv4-2>, <private-ipv4-1>, <cgnat-ipv4-1>, "
        "<link-local-ipv6-1>"
    )


@pytest.mark.parametrize("text", ["a:" * 50_000, "1." * 50_000, "f" * 100_000, "a-" * 50_000, "a.@" * 9999])
def test_a_hostile_line_costs_little_time(redactor: Redactor, text: str) -> None:
    """The time grows with the length of the line only."""

    def cost(line: str) -> float:
        started = time.process_time()
        redactor.redact(line)
        return time.process_time() - started

    small, large = cost(text[:1000]), cost(text[:8000])
    assert large < 40 * small + 0.5


def test_every_address_of_a_table_is_gone(redactor: Redactor) -> None:
    """No digits of an address survive, whatever is between the addresses."""
    separators = [" ", ",", "/", "|", "→", "=", ";", "@", "\t", "(", '"']
    text = "".join(f"{separator}8.8.{number}.200" for number, separator in enumerate(separators))
    assert re.findall(r"8\.8\.\d+\.200", redactor.redact(text)) == []
