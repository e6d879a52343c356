"""A report of hostile settings, logs and lists is searched for what must not be published."""

from __future__ import annotations

import socket
import types
from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest

from portmapper.doctor import local_names
from portmapper.doctor.report_file import ReportInput, report_text
from portmapper.support.link_names import is_common_link

pwd = pytest.importorskip("pwd", reason="Windows has no list of accounts")


@attrs.frozen
class Case:
    """One host: its settings, log, findings, command line, and what must not be in the report."""

    settings: str = ""
    log: str = ""
    private: tuple[str, ...] = ()
    findings: Sequence[str] = ()
    words: Sequence[str] = ("doctor",)
    comments: Sequence[str] = ()
    files: tuple[tuple[str, str], ...] = ()


CASES = {
    "hosts without a dot": Case(
        'gateway = ["mainrouter", "upperfloor:5351"]\n[http]\nlisten = "127.0.0.1:80"\nhosts = ["attic"]\n',
        "12:00 ERROR mainrouter and upperfloor refuse attic\n",
        ("mainrouter", "upperfloor", "attic"),
    ),
    "hosts on the command line": Case(
        log="no answer from cellarbox or roofbox\n",
        words=("doctor", "--gateway", "cellarbox", "--gateway=roofbox"),
        private=("cellarbox", "roofbox"),
    ),
    "secrets on the command line": Case(
        words=("doctor", "--token", "abcdef", "--password", "correct", "--api-key=horse", "-x"),
        private=("abcdef", "correct", "horse"),
    ),
    "a password of several words": Case(
        log="""password="correct horse battery" token = 'staple gun' secret: "x y"\n""",
        private=("horse", "battery", "gun"),
    ),
    "a password in other notations": Case(
        '[plugin.mqtt]\npassword = "p@ss w\\"rd/9"\n',
        'sent p%40ss%20w%22rd/9 and "p@ss w\\"rd/9" and p@ss w"rd/9\n',
        ("p@ss", "p%40ss", "rd/9", 'w"rd'),
    ),
    "secrets in files": Case(
        '[probe]\nurl = "http://198.51.100.7:9700"\ntoken_file = "token"\n[cluster]\nsecret_file = "s"\n',
        "refused: magpie seventeen, and heron\n",
        ("magpie", "heron", "198.51.100.7"),
        files=(("token", "magpie seventeen\n"), ("s", "heron\n")),
    ),
    "numbers of chats and phones": Case(
        "[plugin.notify]\nchat = 4711004711\npin_token = 1234\nretries = 3\n",
        "chat 4711004711\n",
        ("4711004711", "1234"),
    ),
    "names of tables": Case(
        '[plugin.clients.annas-laptop]\nkind = "deluge"\n[preset.bobs-game]\nports = ["27100/udp"]\n'
        'title = "Robert plays"\n',
        "opened 27100/udp for Robert plays\n",
        ("annas", "bobs", "robert", "deluge"),
    ),
    "settings that are not TOML": Case(
        'gateway = ["mainrouter"]\n[plugin.mqtt]\npassword = "hunter22"\ncomment = "Zoe phones"\nbroken =\n',
        "mainrouter refuses hunter22 for Zoe phones\n",
        ("mainrouter", "hunter22", "zoe"),
    ),
    "international hosts": Case(
        log="müller-büro.example answers; https://größe.example/x; bücher.example.org; почта.рф\n",
        private=("müller", "büro", "größe", "bücher", "почта", "рф"),
    ),
    "hosts like modules and files": Case(
        log="portmapper.smith.example and portmapper-2.smith.example and nas.smith.sh and a.smith.py\n",
        private=("smith",),
    ),
    "names of the reverse zone": Case(
        log="7.100.51.198.in-addr.arpa 1.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa f.e.d.0.ip6.arpa\n",
        private=("7.100.51", "8.b.d.0", "f.e.d.0"),
    ),
    "escaped addresses": Case(
        log="GET /?to=http%3A%2F%2F198.51.100.7%3A80%2F&v6=%5B2001%3Adb8%3A%3A77%5D&m=bob%40mail.example\n",
        private=("198.51", "3a77", "::77", "bob"),
    ),
    "MAC addresses": Case(
        log="001122334455 wlx001122334456 00:11:22:33:44:57 0011.2233.4458 00-11-22-33-44-59 "
        "{0A1B2C3D4E5F}\n",
        private=("001122", "00:11:22", "0011.22", "00-11-22", "0a1b2c"),
    ),
    "IPv6 in many notations": Case(
        log="[2001:db8::5%eth0]:80 2001:DB8:0:0::A ::ffff:198.51.100.9 64:ff9b::c633:6409 "
        "fd00::5/64 x2001:db8::6\n",
        private=("2001:db8", "198.51", "c633", "fd00"),
    ),
    "IPv4 in many notations": Case(
        log="198.51.100.9:80 ip-198-51-100-9 198_51_100_9 198.51.100.0/24 (198.51.100.9) 198.51.100.9.\n",
        private=("198.51", "198-51", "198_51"),
    ),
    "IPv4 as inet_aton reads it": Case(
        'sources = ["http://3325256713/x", "http://0xc6.51.25609/x"]\n',
        "3325256713 0xC6336409 0306.063.0144.011 0xc6.0x33.0x64.0x9 198.51.25609 198.3368969 c6336409 "
        "096433C6 198[.]51[.]100[.]9 198.051.100.009 http://3325256713:80/\n",
        private=(
            *("3325256713", "c6336409", "0306", "063.", "0x33", "198.", "51.25609", "3368969", "096433c6"),
            *("25609", "[.]51"),
        ),
        findings=["the gateway says 3325256713 and 0306.063.0144.011"],
        words=("doctor", "--gateway", "3325256713"),
    ),
    "devices, networks and containers": Case(
        log="USN: uuid:upnp-acmebox-1_0-A1B2C3::upnp:rootdevice <friendlyName>Bobs router</friendlyName> "
        "<serialNumber>S7</serialNumber> ssid=Bobs 5 GHz\nUDN uuid:4D696E69-444C-164E-9D41-B827EB4A1B2C "
        "container annas-cloud, published port: 80 is used; container_name=annas-db; user zoe=1\n"
        "bssid b8-27-eb-4a-1b-2c b827eb-4a1b2c b827.eb4a.1b2c\n",
        private=("acmebox", "a1b2c3", "bobs", ">s7<", "444c", "annas", "b827eb", "b8-27", "b827."),
    ),
    "zones of IPv6 addresses": Case(
        log="[fe80::1%acmevpn]:80 http://[fe80::2%25acmevpn]:5000/x fe80::3%acmevpn/64\n",
        private=("acmevpn",),
    ),
    "names of interfaces": Case(
        log="the default route leads to 192.168.1.1 on smithvpn\n", private=("smithvpn",)
    ),
    "names of devices": Case(
        log="held by DESKTOP-AB12CD3, Johns-iPhone and anna-pc; hostname=cellarbox Host: roofbox\n",
        findings=["opened for bobs-MacBook-Pro", '{"host": "shedbox"}'],
        private=("ab12cd3", "john", "anna", "cellarbox", "roofbox", "bobs", "shedbox"),
    ),
    "shares, networks and serial numbers": Case(
        log='//cellarbox/lists/ports.csv ssid=Smiths SSID: "The Does" serial A1B2C3\n',
        private=("cellarbox", "smiths", "does", "a1b2c3"),
    ),
    "people with an account": Case(
        log="/srv/share/jdoe42/ports.csv written by John Q Doe\nC:\\Users\\Someone\\x and /home/other/y\n",
        private=("jdoe42", "john", "someone", "/other"),
    ),
    "names in the file of hosts": Case(
        log="connects to winecellar and garage\n", private=("winecellar", "garage")
    ),
    "comments of lists and of other hosts": Case(
        log="opened 8080/tcp for Zoe at home\n",
        findings=["error 8080/tcp is closed: it is held by 192.168.1.9 (Max (old) Xbox)"],
        comments=["Zoe at home"],
        private=("zoe", "max", "xbox", "192.168.1.9"),
    ),
    "tokens in URLs": Case(
        'sources = ["https://u:p4ss@lists.example/abc?key=v4lue#fr4g"]\n[[webhook]]\n'
        'url = "https://chat.example/bot123456:AAbbCC-dd/send"\n',
        "GET https://lists.example/abc?key=v4lue and tgram://123456:AAbbCCdd/987654 and ftp://u:p4ss@h/x\n",
        ("p4ss", "v4lue", "fr4g", "aabbcc", "lists.example", "chat.example"),
    ),
    "headers": Case(
        '[[source]]\nlocation = "https://l.example/a"\nheaders_file = "h"\n',
        "sent X-Key: kestrel\nCookie: session=osprey\nAuthorization: Basic b3NwcmV5OnM=\n",
        ("kestrel", "osprey", "b3nwcm"),
        files=(("h", "X-Key: kestrel\n"),),
    ),
    "values of plugins": Case(
        'gateway = "10.0.0.1"\n[plugin.mqtt]\ntopic = "smiths/attic"\nformat = "json"\n'
        '[plugin.notify]\ntargets = ["magpie heron"]\n[other.zones.homebase]\nlaptop = "whisper"\n',
        "published smiths/attic as JSON; magpie heron refused; zone HOMEBASE laptop=whisper\n",
        ("smiths", "attic", "magpie", "homebase", "laptop", "whisper"),
    ),
    "short secrets": Case(
        'sources = ["https://zoe:xyz@lists.example/a"]\n', "zoe may not read it\n", ("zoe", "xyz")
    ),
    "owners of home directories": Case(
        'sources = ["/home/ottilie/ports.csv"]\n', "ottilie: no such user\n", ("ottilie",)
    ),
    "directories of lists and certificates": Case(
        'sources = ["/srv/ottilie/lists/ports.csv"]\n[[source]]\nlocation = "https://l.example/a"\n'
        'ca_file = "/etc/ssl/acme-corp/ca.pem"\n',
        'cannot read "/srv/Bob Smith/x.csv" and D:\\Daten\\Meier\\ports.csv\n',
        ("ottilie", "acme", "bob", "smith", "meier", "zoe"),
        words=("doctor", "/mnt/zoe/ports.csv"),
    ),
    "a long line": Case(log="a.b " * 1200 + "secretword=" + "Z9" * 9000 + "\n", private=("z9z9",)),
    "a log cut in the middle of a line": Case(
        '[plugin.mqtt]\npassword = "nightingale"\n',
        "nightingale" + "\n" + "short\n" * 3,
        ("ghtingale",),
    ),
}


@pytest.fixture(autouse=True)
def _neighborhood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n192.168.1.4 winecellar garage # upstairs\n")
    account = types.SimpleNamespace(pw_name="jdoe42", pw_gecos="John Q Doe,,,", pw_uid=1000)
    monkeypatch.setattr(local_names, "HOSTS_FILE", hosts)
    monkeypatch.setattr(pwd, "getpwall", lambda: [account])
    monkeypatch.setattr(socket, "if_nameindex", lambda: [(1, "lo"), (2, "eth0"), (3, "smithvpn")])


@pytest.mark.parametrize("name", CASES)
def test_a_report_of_a_hostile_host_contains_nothing_private(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of what the case lists is in the report, in upper or lower case."""
    case = CASES[name]
    if name == "a log cut in the middle of a line":
        monkeypatch.setattr("portmapper.doctor.report_file.LOG_BYTES", len(case.log) - 2)
    settings, log = tmp_path / "portmapper.toml", tmp_path / "portmapper.log"
    settings.write_text(case.settings)
    log.write_text(case.log)
    for file, text in case.files:
        (tmp_path / file).write_text(text)
    given = ReportInput(case.findings, case.words, tmp_path / "state", settings, log, [], case.comments)
    text = report_text(given).lower()
    assert [private for private in case.private if private.lower() in text] == []


@pytest.mark.parametrize(
    "name",
    [
        "eth0",
        "enp3s0",
        "wlan0",
        "en0",
        "br-1a2b3c4d5e6f",
        "docker0",
        "utun4",
        "wg0",
        "lan0",
        "br-lan",
        "Wi-Fi 2",
    ],
)
def test_common_interfaces_keep_their_names(name: str) -> None:
    """They identify no host, and readers need them."""
    assert is_common_link(name)


@pytest.mark.parametrize("name", ["wg-acme", "smithvpn", "to-office", "vpn_bob"])
def test_a_chosen_name_of_an_interface_is_not_common(name: str) -> None:
    """It may name a company or a person."""
    assert not is_common_link(name)
