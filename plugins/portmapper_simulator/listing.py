"""Output of `simulate --list`: the profiles and quirks."""

from __future__ import annotations

import json
import sys

from portmapper.support.fitted import fitted, width_of
from portmapper_simulator.profiles import PROFILES
from portmapper_simulator.quirks import QUIRKS


def print_listing(*, as_json: bool) -> None:
    """Print the profiles and quirks, as text or as JSON."""
    profiles = {name: profile.description for name, profile in PROFILES.items()}
    quirks = {name: QUIRKS[name] for name in sorted(QUIRKS)}
    if as_json:
        print(json.dumps({"profiles": profiles, "quirks": quirks}))
        return
    for title, rows in (("Profiles:", profiles), ("Quirks:", quirks)):
        width = max(map(len, rows))
        print(title)
        for name, description in rows.items():
            print(fitted(f"  {name:<{width}}  {description}", width_of(sys.stdout), indent=4))
