"""Secrets in URLs are masked."""

from __future__ import annotations

import pytest

from portmapper.support.secrets import distinct_location, mask_url, mask_urls


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
