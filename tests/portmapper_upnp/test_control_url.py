"""URLs of services, as descriptions of real routers spell them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portmapper_upnp.control_url import own_page, possible_urls

LOCATION = "http://192.168.1.1:80/d/desc.xml"
ROOT = "http://192.168.1.1:80"


@pytest.mark.parametrize(
    ("control", "urls"),
    [
        ("/c", [f"{ROOT}/c"]),
        ("?c", [f"{ROOT}/d/desc.xml?c"]),
        ("c", [f"{ROOT}/d/c", f"{ROOT}/c"]),
        ("uuid:1/c", [f"{ROOT}/d/uuid:1/c", f"{ROOT}/uuid:1/c"]),
    ],
)
def test_h9_a_control_url_has_several_readings(control, urls):
    """As RFC 3986 specifies, then as miniupnpc does."""
    assert possible_urls(control, ["", LOCATION], LOCATION) == urls


@pytest.mark.parametrize(
    ("control", "urls"),
    [
        ("http://192.168.1.77:80/c", [f"{ROOT}/c"]),
        ("http://router.lan:80/c", [f"{ROOT}/c"]),
        ("http://192.168.1.1:81/c", ["http://192.168.1.1:81/c", f"{ROOT}/c"]),
        ("//c//d", [f"{ROOT}//c//d", "http://192.168.1.1//d", f"{ROOT}//d"]),
        ("/a b", [f"{ROOT}/a%20b"]),
        ("/a%2Fb", [f"{ROOT}/a%2Fb"]),
        ("/\u00fc", [f"{ROOT}/%C3%BC"]),
        ("http://[/", []),
        ("ftp://192.168.1.1/c", []),
        ("http://192.168.1.1:0/c", []),
    ],
)
def test_h13_a_control_url_is_always_at_the_host_of_the_description(control, urls):
    """On the port that it names, then on the one that served the description."""
    assert possible_urls(control, [LOCATION], LOCATION) == urls


def test_h13_a_base_on_another_host_is_used_with_our_host():
    """The router has another address than when its description was written."""
    urls = possible_urls("c", ["http://192.168.99.1:5000/igd/", LOCATION], LOCATION)
    assert urls[0] == f"{ROOT}/d/c"
    assert "http://192.168.1.1:5000/igd/c" in urls


@given(st.text(max_size=40), st.text(max_size=40))
def test_h13_no_text_leads_to_another_host(control, base):
    """A hostile device cannot make us send requests elsewhere."""
    for url in possible_urls(control, [base, LOCATION], LOCATION):
        assert url.startswith(("http://192.168.1.1", "https://192.168.1.1"))


@pytest.mark.parametrize(
    ("text", "page"),
    [("/index.html", f"{ROOT}/index.html"), ("http://192.168.1.77/", None), ("http://[", None)],
)
def test_a_page_on_another_host_is_not_the_routers(text, page):
    """It is shown to users, who would open it."""
    assert own_page(text, LOCATION) == page
