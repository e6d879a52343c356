"""Whatever a list or a gateway writes, a template stays what its author wrote."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portmapper_hooks.placeholders import body_of, filled, filled_headers
from portmapper_hooks.settings import WebhookSettings, tables

ODD = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            '", "admin": true, "x": "',
            "a\r\nX-Evil: 1\r\n\r\nbody",
            "$(reboot) `id` ; rm -rf / | & > x",
            "{external_port} {comment} {{}} %s \\",
            "\u2028\u202e\ufeff\x00\x1b[31m",
            "\ud800",
            "é 日本 🚢 & < > ' \"",
        ]
    ),
)
OFTEN = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def webhook(content_type: str, body: str) -> WebhookSettings:
    """Return a webhook with a template."""
    table = {
        "on": "opened",
        "url": "http://127.0.0.1/",
        "headers": {"Content-Type": content_type, "X-Comment": "<{comment}>"},
        "body": body,
    }
    return tables(WebhookSettings, [table], "webhook")[0]


@OFTEN
@given(comment=ODD, detail=ODD)
def test_a_json_template_stays_valid(event: Any, comment: str, detail: str) -> None:
    """A value is always inside its string."""
    made = webhook(
        "application/json; charset=utf-8", '{"text": "{comment}|{detail}", "port": {external_port}}'
    )
    sent = json.loads(body_of(made, event(comment=comment, detail=detail)))
    assert sent.keys() == {"text", "port"}
    assert sent["port"] == 8080


@OFTEN
@given(comment=ODD)
def test_a_form_has_no_more_fields(event: Any, comment: str) -> None:
    """A value cannot begin another field."""
    made = webhook("application/x-www-form-urlencoded", "text={comment}&port={external_port}")
    fields = parse_qs(body_of(made, event(comment=comment)).decode(), keep_blank_values=True)
    assert fields.keys() == {"text", "port"}
    assert fields["port"] == ["8080"]


@OFTEN
@given(comment=ODD)
def test_an_xml_template_has_no_more_elements(event: Any, comment: str) -> None:
    """A value can be in an attribute, too."""
    made = webhook("text/xml", '<event port="{external_port}" text="{comment}">{comment}</event>')
    root = ElementTree.fromstring(body_of(made, event(comment=comment)).decode())
    assert (root.tag, root.attrib.keys(), len(root)) == ("event", {"port", "text"}, 0)


@OFTEN
@given(comment=ODD)
def test_a_header_stays_one_line(event: Any, comment: str) -> None:
    """It is ASCII without control characters."""
    value = filled_headers(webhook("text/plain", "x"), event(comment=comment))["X-Comment"]
    assert value.isascii()
    assert value.isprintable()


@OFTEN
@given(comment=ODD)
def test_an_argument_stays_one_argument(event: Any, comment: str) -> None:
    """No shell sees it, a value is not filled again, and a program can take it."""
    text = filled("--port={external_port} {comment}", event(comment=comment))
    assert text.startswith("--port=8080 ")
    assert "\0" not in text
    text.encode()
    assert filled("{comment}", event(comment="{external_port}")) == "{external_port}"


@pytest.mark.parametrize("text", ["{unknown}", "{}", "{ external_port }", "{external-port}", "{EVENT}", "{{"])
def test_other_braces_stay(event: Any, text: str) -> None:
    """JSON has them, too."""
    assert filled(text, event()) == text
