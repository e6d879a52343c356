"""Validation of the `[[hook]]` and `[[webhook]]` tables."""

from __future__ import annotations

from typing import Any

import pytest

from portmapper.api.errors import SettingError
from portmapper.api.events import EventKind
from portmapper_hooks.command import CommandObserver
from portmapper_hooks.settings import HookSettings, WebhookSettings, tables
from portmapper_hooks.webhook import WebhookObserver


def test_defaults_apply_to_omitted_keys() -> None:
    """A table needs only the event and the target."""
    (hook,) = tables(HookSettings, [{"on": "opened", "run": ["/bin/true"]}], "hook")
    assert hook == HookSettings(frozenset({EventKind.OPENED}), ("/bin/true",), 30.0)
    (webhook,) = tables(WebhookSettings, [{"on": ["lost"], "url": "https://example.net/"}], "webhook")
    assert (webhook.time_limit, webhook.attempts, webhook.secret) == (10.0, 4, "")


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        ({"on": "opened"}, "hook: is not an array of tables: write [[hook]]"),
        ([{"run": ["x"]}], "hook[0].on: is missing"),
        ([{"on": [], "run": ["x"]}], "hook[0].on: [] is not an event name or a list of event names"),
        ([{"on": "opened", "run": "x"}], "hook[0].run: 'x' is not a list"),
        ([{"on": "opened", "run": []}], "hook[0].run: [] is not a list"),
        ([{"on": "opend", "run": ["x"]}], "hook[0].on: 'opend' is not an event, did you mean opened?"),
        ([{"on": ["opened", 3], "run": ["x"]}], "hook[0].on[1]: 3 is not an event"),
        (
            [{"on": "opened", "run": ["x"], "timelimit": 3}],
            "hook[0].timelimit: unknown key, did you mean time_limit?",
        ),
        ([{"on": "opened", "run": ["x"], "time_limit": 0}], "hook[0].time_limit: 0 is not a number"),
        ([{"on": "opened", "run": ["x"]}] * 65, "hook: more than 64 tables"),
    ],
)
def test_an_invalid_hook_table_is_rejected(part: object, reason: str) -> None:
    """The error contains the path of the key, which the core completes with its line."""
    with pytest.raises(SettingError) as caught:
        CommandObserver.from_table(part)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"on": "opened", "url": "ftp://x/"}, "webhook[0].url: 'ftp://x/' is not an http or https URL"),
        ({"on": "opened", "url": "http://[::1"}, "is not an http or https URL"),
        ({"on": "opened", "url": "http://x/", "attempts": 99}, "webhook[0].attempts: 99 is not a number"),
        ({"on": "opened", "url": "http://x/", "secret_file": "s"}, "'s' is not an absolute path"),
    ],
)
def test_an_invalid_webhook_table_is_rejected(table: dict[str, Any], reason: str) -> None:
    """The error contains the path of the key."""
    with pytest.raises(SettingError) as caught:
        WebhookObserver.from_table([table])
    assert reason in str(caught.value)


def test_without_a_table_there_is_no_observer() -> None:
    """A configuration without hooks creates no observer."""
    assert CommandObserver.from_table(None) is None
    assert WebhookObserver.from_table(None) is None
