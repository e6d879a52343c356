"""The frame of every page: head, header, and what the script needs."""

from __future__ import annotations

from collections.abc import Sequence

from portmapper.api import WebLink, WebRequest
from portmapper_web.assets import address
from portmapper_web.markup import Content, Markup, tag
from portmapper_web.parts import hidden, question


def page(
    title: str, main: Content, *, header: Content = None, footer: Content = None, refresh: bool = False
) -> str:
    """Return a whole page. Without JavaScript, `refresh` loads it again every few seconds."""
    again = tag("noscript", tag("meta", http_equiv="refresh", content="3")) if refresh else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("link", rel="stylesheet", href=address("style.css")),
        tag("link", rel="icon", type="image/svg+xml", href=address("icon.svg")),
        tag("script", src=address("page.js"), defer=True),
        again,
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#main", class_="skip"),
        tag("header", tag("a", "portmapper", href="/", class_="brand"), header),
        tag("div", id="connection", role="status"),
        tag("main", main, id="main"),
        tag("dialog", id="dialog", aria_labelledby="question-title"),
        tag("footer", footer) if footer else None,
    )
    return f"<!doctype html>{tag('html', head, body, lang='en')}"


def header_of(request: WebRequest, links: Sequence[WebLink]) -> list[Content]:
    """Return the links to other pages, and the buttons."""
    others = [tag("a", link.title, href=link.path) for link in links if link.path != "/"]
    to_form = tag("a", "Open a port", href="#open", class_="button", data_focus="open-port")
    buttons = [to_form, question("reload", "Reload", {}), question("doctor", "Run doctor", {})]
    return [
        tag("nav", others, aria_label="Other pages") if others else None,
        tag("div", buttons if request.may_change else None, _login_or_out(request), class_="buttons"),
    ]


def _login_or_out(request: WebRequest) -> Markup:
    if not request.signed_in:
        return tag("a", "Log in", href="/login?next=/", class_="button")
    return tag(
        "form",
        hidden({"csrf_token": request.csrf_token}),
        tag("button", "Log out"),
        method="post",
        action="/logout",
        data_plain=True,
    )


def login_main(request: WebRequest, error: str) -> Markup:
    """Return the content of the login page."""
    target = request.form.get("next", "") or request.query.get("next", "")
    token = tag(
        "input", type="password", name="token", id="token", autocomplete="current-password", required=True
    )
    return tag(
        "section",
        tag("h1", "Log in"),
        tag("p", error, role="alert", class_="reason") if error else None,
        tag(
            "form",
            # A password manager stores the token under this name.
            tag("input", name="username", value="portmapper", autocomplete="username", hidden=True),
            tag("label", tag("span", "Token"), token),
            hidden({"next": target}),
            tag("button", "Log in", class_="main"),
            method="post",
            action="/login",
            data_plain=True,
        ),
        tag("p", "Create a token on the host of portmapper: ", tag("code", "portmapper web token")),
        class_="alone",
    )
