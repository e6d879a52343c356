"""Secrets in URLs are masked."""

from __future__ import annotations

import time

import pytest

from portmapper.support.secrets import (
    KNOWN,
    credentials_in,
    distinct_location,
    mask_url,
    mask_urls,
    masked_parts,
    remember,
)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.org/ports.csv", "https://example.org/ports.csv"),
        (
            "https://example.org:8443/home/my-ports-2026.csv",
            "https://example.org:8443/home/my-ports-2026.csv",
        ),
        ("https://me:secret@example.org/a", "https://***@example.org/a"),
        ("https://me@example.org/a", "https://***@example.org/a"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/", "slack://***/***/***/"),
        ("discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "discord://4174216298/***"),
        ("tgram://123456789:AAG1b2c3d4/12315544/", "tgram://***"),
        ("tcp://a1b2c3d4e5f6:2375", "tcp://a1b2c3d4e5f6:2375"),
        ("https://a@b:c@example.org", "https://***@example.org"),
        ("https://example.org/a?key=1#part", "https://example.org/a?***#***"),
        ("https://example.org?x@y", "https://example.org?***"),
        ("https://hooks.slack.com/services/T024BE7LD/B1/x", "https://hooks.slack.com/services/***/B1/x"),
        ("https://discord.com/api/webhooks/123/abc-d_e", "https://discord.com/api/webhooks/***/***"),
        ("https://api.telegram.org/bot123:AAF/send", "https://api.telegram.org/***/send"),
        ("https://example.org/s3cr3tT0k3n/ports.csv", "https://example.org/***/ports.csv"),
        ("https://example.org/token/abc/x", "https://example.org/token/***/***"),
        ("https://example.org/d41d8cd98f00b204e9800998ecf8427e", "https://example.org/***"),
        ("https://example.org/550e8400-e29b-41d4-a716-446655440000", "https://example.org/***"),
        ("https://example.org/my-secret-list/a", "https://example.org/***/a"),
        ("https://example.org/s3cr3t/a", "https://example.org/***/a"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
        ("http://[s3cret/x", "http://***"),
        ("https:me:pw@example.org/a?b=c", "https:***@example.org/a?***"),
        ("https:/me:pw@example.org", "https:/***@example.org"),
        ("/etc/ports.csv", "/etc/ports.csv"),
    ],
)
def test_only_secrets_are_masked(url: str, shown: str) -> None:
    """User information, query, fragment, and segments that look like tokens."""
    assert mask_url(url) == shown


def test_urls_inside_a_message_are_masked() -> None:
    """The rest of the message stays."""
    text = "cannot open 'https://me:pw@example.org/a?b=c', see HTTP://x:y@z. Done"
    assert mask_urls(text) == "cannot open 'https://***@example.org/a?***', see HTTP://***@z. Done"


def test_two_locations_with_different_secrets_differ() -> None:
    """A source is identified by its location, and the mark is always the same for one URL."""
    first, second = (distinct_location(f"https://example.org/?list={name}") for name in "ab")
    assert first != second
    assert first.startswith("https://example.org/?***#")
    assert first == distinct_location("https://example.org/?list=a")
    assert distinct_location("https://example.org/a") == "https://example.org/a"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer hunter2", "Authorization: ***"),
        ("{'authorization': 'Basic aHVudGVyMg=='}", "{'authorization': '***'}"),
        ("invalid header b'X-Api-Key: hunter2'", "invalid header b'X-Api-Key: ***'"),
        ("Set-Cookie: sid=hunter2; Path=/", "Set-Cookie: ***"),
        ("sent bearer hunter2hunter2hunter2", "sent bearer ***"),
        ("basic authentication failed", "basic authentication failed"),
        ("BASIC aHVudGVyMg==", "BASIC ***"),
        ("Bearer hunter2", "Bearer ***"),
        ("the bearer token is invalid", "the bearer token is invalid"),
        ("password=hunter2; retry", "password=***; retry"),
        ("token: hunter2", "token: ***"),
        ("api_key = 'hunter 2'", "api_key = ***"),
        ('{"client_secret": "hunter2"}', '{"client_secret": ***}'),
        ("<password>hunter2</password>", "<password>***</password>"),
        ("plugin.mqtt.password: is not a text", "plugin.mqtt.password: is not a text"),
        ("secret_file: no such file", "secret_file: no such file"),
        ("me:hunter2@proxy:3128 refused", "***@proxy:3128 refused"),
        ("cannot open https:me:hunter2@h/x?y now", "cannot open https:***@h/x?*** now"),
        ('"POST /services/T024BE7LD/x HTTP/1.1" 200', '"POST /services/***/x HTTP/1.1" 200'),
        ("Location: /next?key=hunter2", "Location: /next?***"),
        ("exceeded with url: /bot12:AAF/send (refused)", "exceeded with url: /***/send (refused)"),
        ("8080/tcp at 10:00 by a@b", "8080/tcp at 10:00 by a@b"),
        ("Location: //me:hunter2@example.org/x", "Location: //***@example.org/x"),
        ("next=https%3A%2F%2Fme%3Ahunter2%40example.org", "next=https%3A%2F%2F***"),
        ("http://me:hunter2/x@example.org/", "http://***"),
        (r"http://me:hunter2\n@example.org", r"http://***\n@example.org"),
        ("HTTPS://ME:HUNTER2@EXAMPLE.ORG", "HTTPS://***@EXAMPLE.ORG"),
        ("http://me:hunter2@[fe80::1%25eth0]:80/x", "http://***@[fe80::1%25eth0]:80/x"),
        ("mqtts://me:hunter2@broker:8883", "mqtts://***@broker:8883"),
        ("http://h:8080: refused", "http://h:8080: refused"),
        ("http://fe80::1/x is cut off at http://h:80…", "http://fe80::1/x is cut off at http://h:80…"),
    ],
)
def test_secrets_in_headers_and_in_odd_urls_are_masked(text: str, shown: str) -> None:
    """Errors of libraries quote what a server or a user wrote."""
    assert mask_urls(text) == shown


@pytest.mark.parametrize(
    "line",
    [
        "a:",
        "@",
        "a:@",
        "https:",
        "token=",
        "//@",
        "Bearer ",
        "x-",
        "authorization:",
        "GET /",
        "/",
        "%3a%2f%2f",
    ],
)
def test_a_hostile_line_costs_little_time(line: str) -> None:
    """The time grows with the length of the line only."""

    def cost(times: int) -> float:
        started = time.process_time()
        mask_urls(line * times + "!")
        return time.process_time() - started

    assert cost(32_000 // len(line)) < 40 * cost(4_000 // len(line)) + 0.5


def test_a_known_secret_is_masked_without_its_url() -> None:
    """Also in the forms of a URL, but not inside a longer word."""
    remember("https://maria:p%40ss4word@h.example/hooks/Zx81Qm44?list=home&token=magpie17")
    text = "maria p@ss4word p%40ss4word Zx81Qm44 magpie17 home magpie170"
    assert mask_urls(text) == "maria *** *** *** *** home magpie170"
    remember("swordfish")
    remember("slack://T1JJ3T3L2/x")
    assert mask_urls("swordfish T1JJ3T3L2") == "*** ***"


def test_short_and_ordinary_words_are_not_known_secrets() -> None:
    """Without them, messages would not be readable."""
    KNOWN.add(["", "abc", "home", "portmapper", "Pass"])
    assert mask_urls("abc at home: portmapper, Pass") == "abc at home: portmapper, ***"


def test_the_credentials_in_headers() -> None:
    """Values with a telling name, whole and in words, but not the scheme."""
    found = credentials_in({"Authorization": "Bearer hunter2", "Accept": "text/csv", "Cookie": "sid=abc; x"})
    assert found == ["Bearer hunter2", "sid=abc; x", "hunter2", "abc", "x"]


def test_every_part_of_a_url_is_masked_in_its_own_errors() -> None:
    """There, ordinary words may be secrets, too."""
    shown = masked_parts(
        "no list winter for user maria at h.example", "https://maria@h.example/a?list=winter"
    )
    assert shown == "no *** *** for user *** at h.example"
    assert masked_parts("as it was", "http://[") == "as it was"
