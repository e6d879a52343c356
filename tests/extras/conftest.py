"""Extras are separate distributions, so their tests are collected only if they are installed."""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS = ("clients", "docker", "etcd", "kubernetes", "mqtt", "notify", "pia", "routeros")

collect_ignore = [name for name in EXTRAS if find_spec(f"portmapper_{name}") is None]
