"""What `portmapper pause` and `resume` say of the daemon's answer."""

from __future__ import annotations

import sys

from portmapper.cli.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

RESULTS = {"paused": "is paused", "resumed": "is resumed", "not_paused": "was not paused"}


def report(results: Sequence[dict[str, Any]]) -> int:
    """Print the result for each port and return the exit status."""
    from portmapper.cli.wording import port_text
    from portmapper.support.text import printable

    for done in results:
        port = port_text(done["port"], done["protocol"])
        if done["result"] != "unknown":
            say(f"{port} {RESULTS[done['result']]}")
        if done["detail"]:
            say(f"portmapper: {port}: {printable(done['detail'])}", sys.stderr)
    return 1 if any(done["result"] == "unknown" for done in results) else 0
