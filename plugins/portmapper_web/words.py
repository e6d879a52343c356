"""The words of the page for mappings, which are those of the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portmapper.support.text import endpoint
from portmapper.support.wording import port_text

STATES = {"active": "open"}
"""States whose name on screens differs from that in documents."""

HELD_BACK = ("paused", "waiting")
"""States of mappings that should not be open now."""


def mapping_port(mapping: Mapping[str, Any]) -> str:
    """Return the granted external port of a mapping, or else the desired one."""
    return port_text(mapping["external_port"] or mapping["wanted_external_port"], mapping["protocol"])


def host_text(document: Mapping[str, Any]) -> str:
    """Return the host and port of a mapping: `192.168.88.10:80`."""
    return endpoint(document["internal_address"], document["internal_port"], "this host")
