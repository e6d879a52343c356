"""The pictures in the docs are real screens."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from output_forms import shown_below
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text
from status_documents import NOW, forty_one

from portmapper.cli.lines import styled
from portmapper.cli.tables import Size, render

# Without the font that rich would load from another host.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


@pytest.fixture(autouse=True)
def _zone() -> Iterator[None]:
    """Show times in UTC."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def test_the_picture_shows_the_screen(root: Path) -> None:
    """`UPDATE_SCREENS=1` draws it again; it loads nothing from other hosts."""
    drawn = _drawn([styled(render(forty_one(), Size(80, 22), 0, NOW).lines)], "portmapper status", "status")
    assert "40&#160;of&#160;41&#160;open" in drawn
    _compare(root / "docs" / "_static" / "status.svg", drawn)


def test_the_session_shows_the_outputs_of_the_tutorial(root: Path) -> None:
    """`test_outputs` compares these with the real ones."""
    page = (root / "docs" / "quick-start.md").read_text(encoding="utf-8")
    lines: list[Text] = []
    for command in ("portmapper discover", "portmapper open 8080", "portmapper doctor ports.csv"):
        lines += [
            Text.assemble(("$ ", "green"), (command, "bold")),
            *map(Text, shown_below(page, command)),
            Text(),
        ]
    _compare(root / "docs" / "_static" / "session.svg", _drawn(lines, "A first session", "session"))


def _drawn(parts: Sequence[Text], title: str, name: str) -> str:
    """Draw texts as in a terminal of 80 columns."""
    console = Console(
        file=io.StringIO(), width=80, record=True, force_terminal=True, color_system="truecolor", _environ={}
    )
    for part in parts:
        console.print(part)
    return console.export_svg(title=title, theme=MONOKAI, code_format=FORMAT, unique_id=name)


def _compare(path: Path, drawn: str) -> None:
    if os.environ.get("UPDATE_SCREENS"):
        path.write_text(drawn, encoding="utf-8")
    assert drawn == path.read_text(encoding="utf-8")
    assert "url(" not in drawn.replace("url(#", "")
