"""The picture of the landing page is the real screen."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path

import pytest
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from status_documents import NOW, forty_one

from portmapper.cli.lines import styled
from portmapper.cli.tables import Size, render

# Without the font that rich would load from another host.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


@pytest.fixture(autouse=True)
def _zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show times in UTC."""
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_the_picture_shows_the_screen(root: Path) -> None:
    """`UPDATE_SCREENS=1` draws it again; it loads nothing from other hosts."""
    path = root / "docs" / "_static" / "status.svg"
    console = Console(
        file=io.StringIO(), width=80, record=True, force_terminal=True, color_system="truecolor", _environ={}
    )
    console.print(styled(render(forty_one(), Size(80, 22), 0, NOW).lines))
    drawn = console.export_svg(
        title="portmapper status", theme=MONOKAI, code_format=FORMAT, unique_id="status"
    )
    if os.environ.get("UPDATE_SCREENS"):
        path.write_text(drawn, encoding="utf-8")
    assert "40&#160;of&#160;41&#160;open" in drawn
    assert drawn == path.read_text(encoding="utf-8")
    assert "url(" not in drawn.replace("url(#", "")
