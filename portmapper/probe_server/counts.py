"""Counts what the probe server did; it keeps no address and no port."""

from __future__ import annotations

from collections import Counter

_HELP = {
    "requests": ("outcome", "Requests by outcome"),
    "probes": ("result", "Probed ports by protocol and result"),
    "datagrams": ("direction", "Datagrams of UDP probes"),
}


class Counts:
    """Counters, as text for Prometheus and as one line for the log."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in _HELP}

    def add(self, name: str, value: str) -> None:
        """Count one event."""
        self._counts[name][value] += 1

    def text(self) -> str:
        """Return all counters in the Prometheus text format."""
        lines = []
        for name, (label, help_line) in _HELP.items():
            metric = f"portmapper_probe_{name}_total"
            lines += [f"# HELP {metric} {help_line}", f"# TYPE {metric} counter"]
            lines += [
                f'{metric}{{{label}="{value}"}} {count}'
                for value, count in sorted(self._counts[name].items())
            ]
        return "\n".join(lines) + "\n"

    def line(self) -> str:
        """Return the counters in one line, such as `requests: 3 served, 1 refused`."""
        parts = [
            f"{name}: {', '.join(f'{count} {value}' for value, count in sorted(counts.items()))}"
            for name, counts in self._counts.items()
            if counts
        ]
        return "; ".join(parts) or "no requests"
