"""The proxy for a URL comes from the environment."""

from __future__ import annotations

import pytest
from yarl import URL

from portmapper.api import SourceError
from portmapper_http.proxy import proxy_for


@pytest.mark.parametrize(
    ("variables", "url", "proxy"),
    [
        ({}, "http://a.example/", None),
        ({"http_proxy": "http://p:1"}, "http://a.example/", "http://p:1"),
        ({"http_proxy": "http://p:1"}, "https://a.example/", None),
        ({"HTTPS_PROXY": "p:1"}, "https://a.example/", "http://p:1"),
        ({"all_proxy": "http://p:1"}, "https://a.example/", "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "example"}, "http://a.example/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "a.example:80"}, "http://a.example/", None),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, "http://a.example/", None),
    ],
)
def test_the_usual_variables_name_it(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], url: str, proxy: str | None
) -> None:
    """In upper or lower case."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(URL(url)) == proxy


@pytest.mark.parametrize("proxy", ["http://me:hunter2@[bad:1", "me:hunter2@", "http://me:hunter2@h:99999"])
def test_an_invalid_proxy_is_an_error(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """The message shows nothing of it."""
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(SourceError, match="the variable http_proxy or all_proxy is not the URL of a proxy"):
        proxy_for(URL("http://a.example/"))
