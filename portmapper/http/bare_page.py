"""Pages without style, for the login and for errors if no plugin has better ones."""

from __future__ import annotations

from html import escape

from portmapper.api.web import WebRequest, WebResponse

PATH = "/login"
FIELD = "token"


def bare_page(title: str, content: str) -> str:
    """Return a page with a heading; `content` is markup."""
    heading = escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{heading}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<main><h1>{heading}</h1>{content}</main></html>"
    )


def plain_page(request: WebRequest, error: str) -> WebResponse:
    """Return the login page without style, for a listener whose plugins have none."""
    alert = f'<p role="alert">{escape(error)}</p>' if error else ""
    target = escape(request.form.get("next", "") or request.query.get("next", ""))
    return WebResponse(
        bare_page(
            "Log in to portmapper",
            f'{alert}<form method="post" action="{PATH}"><label for="token">Token</label> '
            f'<input type="password" id="token" name="{FIELD}" autocomplete="current-password" required>'
            f'<input type="hidden" name="next" value="{target}"> <button>Log in</button></form>'
            "<p>Create a token with <code>portmapper web token</code>.</p>",
        )
    )
