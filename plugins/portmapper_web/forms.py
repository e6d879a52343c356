"""The form that opens a port, the questions before an action, and the result."""

from __future__ import annotations

from collections.abc import Mapping

from portmapper.api import UsageError, WebRequest, quoted
from portmapper_web.actions import Result, record_of, record_text
from portmapper_web.markup import Content, Markup, tag
from portmapper_web.parts import hidden, section

QUESTIONS = {
    "open": ("Open {port}?", "Everyone on the internet can then reach this port.", "Open {port}"),
    "close": ("Close {port}?", "Programs on the internet can then no longer reach it.", "Close {port}"),
    "pause": (
        "Pause {port}?",
        "The port is closed until you resume it. The row stays in the list.",
        "Pause {port}",
    ),
    "resume": ("Resume {port}?", "The port is opened again.", "Resume {port}"),
    "reload": ("Reload?", "portmapper reads the settings and the lists again.", "Reload"),
    "doctor": ("Run doctor?", "It checks the network, and opens and closes a test mapping.", "Run doctor"),
}
WITHOUT_PORT = ("reload", "doctor")

READ_ONLY = "Your token may only read. Log in with another one to open and close ports."

LABELS = {"address": "Host", "internal_port": "Its port", "lifetime": "Lifetime", "remote": "Only from"}
"""Fields that are rarely needed."""

HINTS = {"address": "this host", "internal_port": "the same", "lifetime": "1h", "remote": "everyone"}


def open_form() -> Markup:
    """Return the form that opens a port."""
    protocols = [tag("option", name.upper(), value=name) for name in ("tcp", "udp", "both")]
    form = tag(
        "form",
        _field("port", "Port", required=True, inputmode="numeric", placeholder="8080"),
        tag("label", tag("span", "Protocol"), tag("select", protocols, name="protocol", id="open-protocol")),
        _field("comment", "Comment"),
        tag("button", "Open", class_="main", id="open-button"),
        tag(
            "details",
            tag("summary", "More"),
            (_field(name, label, placeholder=HINTS[name]) for name, label in LABELS.items()),
        ),
        id="open-form",
        method="get",
        action="/confirm/open",
        data_ask=True,
    )
    return section("open", "Open a port", form, live=False)


def open_part(request: WebRequest) -> Markup:
    """Return the form, or what a visitor sees who may change nothing."""
    if request.may_change:
        return open_form()
    login: Content = [tag("a", "Log in", href="/login?next=/"), " to open and close ports."]
    hint = tag("p", READ_ONLY if request.signed_in else login)
    return section("open", "Open a port", hint, live=False)


def _field(name: str, label: str, **attributes: str | bool) -> Markup:
    field = tag("input", name=name, id=f"open-{name}", autocomplete="off", maxlength=200, **attributes)
    return tag("label", tag("span", label), field)


def question_of(action: str, request: WebRequest) -> Markup:
    """Return the question before an action, with the form that carries it out.

    Raises:
        UsageError: there is no such action, or its port is missing.
    """
    record = {} if action in WITHOUT_PORT else record_of(request.query)
    port = record_text(record)
    if action not in QUESTIONS or (action not in WITHOUT_PORT and not port):
        raise UsageError(f"there is no action {quoted(action)} without a port")
    title, text, button = (words.format(port=port) for words in QUESTIONS[action])
    return tag(
        "section",
        tag("h2", title, id="question-title"),
        tag("p", text, id="question-text"),
        _details(record) if action == "open" else None,
        tag(
            "form",
            hidden({**record, "csrf_token": request.csrf_token}),
            tag("button", button, class_="main", autofocus=True),
            tag("a", "Cancel", href="/", class_="button", data_cancel=True),
            method="post",
            action=f"/do/{action}",
        ),
        id="question",
    )


def _details(record: Mapping[str, object]) -> Markup:
    target = f"{record.get('address', 'this host')}, port {record.get('internal_port', record['port'])}"
    facts: dict[str, Content] = {
        "To": target,
        "Lifetime": str(record.get("lifetime", "")),
        "Only from": str(record.get("remote", "")),
        "Comment": str(record.get("comment", "")),
    }
    return tag("dl", ([tag("dt", name), tag("dd", fact)] for name, fact in facts.items() if fact))


def result_part(result: Result | None, number: str, request: WebRequest) -> Markup:
    """Return the result of the last action, with the button to undo it; empty without one."""
    if result is None:
        return tag("div", id="result", role="status")
    undo = tag(
        "form",
        hidden({"result": number, "csrf_token": request.csrf_token}),
        tag("button", "Undo", id="undo"),
        method="post",
        action="/do/undo",
    )
    return tag(
        "div",
        tag("p", result.text),
        undo if result.undo and request.may_change else None,
        tag("a", "Dismiss", href="/", class_="button", data_dismiss=True),
        id="result",
        role="status",
        class_="error" if result.is_error else "done",
    )
