"""Lines of a screen, and how they reach a terminal."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text
from status_documents import NOW, forty_one

from portmapper.cli.lines import SGR, Line, can_redraw, cell_len, print_lines, styled, truncated
from portmapper.cli.mapping_rows import COLORS
from portmapper.cli.reachable_lines import STYLES
from portmapper.cli.tables import Size, render

SCREEN = [*render(forty_one(), Size(80, 24), 0, NOW).lines, Line(), Line("a b c", "red", (2, 3))]


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Print the screen to a terminal with these variables, and return what it gets."""

    def printed(**variables: str) -> str:
        for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "COLORTERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm", **variables}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        print_lines(SCREEN)
        return capsys.readouterr().out

    return printed


def test_a_terminal_gets_what_rich_would_print(printed: Any) -> None:
    """rich itself is not imported for it."""
    console = Console(width=80, force_terminal=True, color_system="standard", _environ={})
    with console.capture() as capture:
        for line in SCREEN:
            console.print(styled([line]), soft_wrap=True)
    assert printed() == capture.get()
    assert "\x1b[32m" in capture.get()


def test_a_terminal_without_colors_gets_text(printed: Any) -> None:
    """Such as the shell of an editor."""
    assert printed(TERM="dumb") == "".join(f"{line.text}\n" for line in SCREEN)


def test_no_color_is_respected(printed: Any) -> None:
    """States are still words, and the first line is still bold."""
    text = printed(NO_COLOR="1")
    assert "\x1b[1m" in text
    assert not {"\x1b[31m", "\x1b[32m", "\x1b[33m"} & set(text.split("m"))


def test_color_can_be_forced(printed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable turns it off (https://force-color.org)."""
    assert "\x1b[32m" in printed(FORCE_COLOR="1")
    assert "\x1b" not in printed(FORCE_COLOR="")


def test_every_style_has_a_code() -> None:
    """Otherwise a terminal would get an error in place of the screen."""
    assert {*COLORS.values(), *STYLES.values(), "bold", "dim", "red", "yellow"} <= SGR.keys()


@pytest.mark.parametrize("text", ["", "web", "Übersicht", "服务器服务器", "a" * 30, "é" * 30, "服" * 30])
def test_width_and_ellipsis_are_those_of_rich(text: str) -> None:
    """A wide character takes two columns, and is never cut in half."""
    expected = Text(text)
    expected.truncate(9, overflow="ellipsis")
    assert truncated(text, 9) == expected.plain
    assert cell_len(text) == Text(text).cell_len


@pytest.mark.parametrize(("term", "expected"), [("dumb", False), ("unknown", False), ("xterm", True)])
def test_a_dumb_terminal_gets_a_log_in_place_of_a_screen(
    term: str, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can only print the next line, such as a shell in Emacs."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert can_redraw() is expected
