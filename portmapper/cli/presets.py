"""`portmapper presets`: show the names that `open` accepts in place of ports."""

from __future__ import annotations

import argparse
import json
import sys

from portmapper.api.command import Command
from portmapper.cli.options import add_config_option
from portmapper.cli.say import say
from portmapper.support.fitted import width_of

USUAL_WIDTH = 80
"""On a narrower screen, a page begins further left."""


class Presets(Command):
    """The command `presets`."""

    name = "presets"
    help = "show the programs whose ports 'open' knows by name"
    examples = ("portmapper presets", "portmapper open minecraft")

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options of `presets`."""
        add_config_option(parser)
        parser.add_argument("--json", action="store_true", help="print the presets as JSON")

    def run(self, arguments: argparse.Namespace) -> int:
        """Print each preset with its ports and the page that the numbers come from."""
        from portmapper.sources.presets import presets

        known = presets()
        if arguments.json:
            documents = [
                {"name": name, "title": preset.title, "ports": list(preset.ports), "page": preset.page}
                for name, preset in known.items()
            ]
            print(json.dumps({"presets": documents}, indent=2))
            return 0
        width = width_of(sys.stdout)
        indent = 19 if width is None or width >= USUAL_WIDTH else 2
        for name, preset in known.items():
            say(f"{name:<18} {', '.join(preset.ports)}  ({preset.title})")
            say(" " * indent + (preset.page or "defined in your settings file"))
        return 0
