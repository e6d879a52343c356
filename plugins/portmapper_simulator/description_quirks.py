"""Quirks of descriptions: where they are, and where the control URLs in them lead."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from portmapper_simulator.upnp_points import LAYOUT, LISTEN, Layout, Listening, WanService

STALE_HOST = "192.0.2.1"
"""An address that the gateway no longer has; no host has it (RFC 5737)."""


def _with_control_urls(layout: Layout, url: Callable[[WanService], str]) -> Layout:
    """Change the control URL of every service."""
    return attrs.evolve(layout, services=tuple(attrs.evolve(s, control_url=url(s)) for s in layout.services))


@LAYOUT.quirk("D15", "redirects from its LOCATION to the description in a folder")
def _redirects(layout: Layout) -> Layout:
    return attrs.evolve(layout, location="/igd/rootDesc.xml", redirect="/rootDesc.xml")


@LISTEN.quirk("D15-port")
@LISTEN.quirk("H6-port")
def _second_port(listening: Listening) -> Listening:
    return attrs.evolve(listening, ports=(*listening.ports, 0))


@LAYOUT.quirk("D15-port", "redirects from its LOCATION to the description on another port (307)")
def _redirects_to_port(layout: Layout) -> Layout:
    return attrs.evolve(layout, redirect="/upnp", redirect_status=307)


@LAYOUT.quirk("D15-loop", "redirects from its LOCATION to itself (301)")
def _redirects_to_itself(layout: Layout) -> Layout:
    return attrs.evolve(layout, redirect=layout.location, redirect_status=301)


@LAYOUT.quirk("M14", "moves its description and control URLs at each restart")
def _moving_urls(layout: Layout) -> Layout:
    return attrs.evolve(_moving_control(layout), location=f"/rootDesc-{layout.boot}.xml")


@LAYOUT.quirk("M23", "moves its control URLs at each restart, but not its description")
def _moving_control(layout: Layout) -> Layout:
    return _with_control_urls(layout, lambda service: f"{service.control_url}-{layout.boot}")


@LAYOUT.quirk("H6-port", "describes an absolute controlURL on another port")
def _control_elsewhere(layout: Layout) -> Layout:
    base = f"http://{layout.host}:{layout.ports[-1]}"
    return _with_control_urls(layout, lambda service: f"{base}/ctl/{service.name}")


LISTEN.bundle("H6", "describes an absolute controlURL on another port, as H6-port", "H6-port")
LAYOUT.bundle("H6", "describes an absolute controlURL on another port, as H6-port", "H6-port")


@LAYOUT.quirk("H6-urlbase", "has a URLBase, and control URLs relative to it")
def _url_base(layout: Layout) -> Layout:
    return attrs.evolve(_relative(layout), url_base=f"http://{layout.host}:{layout.ports[0]}/")


@LAYOUT.quirk("H6-urlbase-no-slash", "has a URLBase without a trailing slash, and relative control URLs")
def _url_base_no_slash(layout: Layout) -> Layout:
    return attrs.evolve(_relative(layout), url_base=f"http://{layout.host}:{layout.ports[0]}")


def _relative(layout: Layout) -> Layout:
    return _with_control_urls(layout, lambda service: f"ctl/{service.name}")


@LAYOUT.quirk("H6-query", "has control URLs that consist of a query only")
def _query_only(layout: Layout) -> Layout:
    return _with_control_urls(layout, lambda service: f"?control={service.name}")


@LAYOUT.quirk("H9", "describes itself in a folder, and serves relative control URLs at the root")
def _control_at_root(layout: Layout) -> Layout:
    return attrs.evolve(_relative(layout), location="/desc/rootDesc.xml")


@LAYOUT.quirk("H9-uuid", "has control URLs that look like absolute URLs: uuid:...")
def _control_with_colon(layout: Layout) -> Layout:
    return _with_control_urls(layout, lambda service: f"uuid:1/{service.name}")


@LAYOUT.quirk("H9-empty", "has empty control URLs, and takes calls at the URL of its description")
def _empty_control(layout: Layout) -> Layout:
    return _with_control_urls(layout, lambda _: "")


@LAYOUT.quirk("H13", "has control URLs with an address that it no longer has")
def _stale_address(layout: Layout) -> Layout:
    base = f"http://{STALE_HOST}:{layout.ports[0]}"
    return _with_control_urls(layout, lambda service: f"{base}{service.control_url}")


@LAYOUT.quirk("H13-slashes", "has control URLs that begin with two slashes")
def _two_slashes(layout: Layout) -> Layout:
    return _with_control_urls(layout, lambda service: f"//{service.control_url[1:]}")


LAYOUT.quirk("H16", "redirects its control URL (307)")(
    lambda layout: attrs.evolve(layout, moved_controls=True)
)
