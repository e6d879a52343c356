"""Whatever is not markup is text."""

from __future__ import annotations

import pytest

from portmapper_web.markup import Markup, join, tag

EVIL = "<script>alert(1)</script>"


def test_text_is_escaped() -> None:
    """No element comes from a name."""
    assert tag("p", EVIL) == "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"


def test_an_attribute_cannot_end_early() -> None:
    """A quote is escaped, too."""
    assert tag("a", title='" onclick="x') == '<a title="&quot; onclick=&quot;x"></a>'


def test_content_may_be_nested() -> None:
    """Elements, numbers, lists and nothing."""
    assert tag("p", [1, None, [tag("b", "x")]]) == "<p>1<b>x</b></p>"


def test_attributes_without_a_value() -> None:
    """True has no value, and False and None are omitted."""
    assert tag("input", required=True, disabled=False, id=None) == "<input required>"


def test_names_of_attributes() -> None:
    """Python's reserved words get an underscore, and a dash is one."""
    assert tag("label", for_="x", aria_label="y") == '<label for="x" aria-label="y"></label>'


@pytest.mark.parametrize("text", ["a" * 65_536, "\x1b" * 65_536, "<" * 65_536])
def test_a_long_text_is_cut(text: str) -> None:
    """A row may have 64 KiB."""
    assert len(tag("p", text, title=text)) < 4000


def test_control_and_direction_characters_are_visible() -> None:
    """They could hide or reverse what is next to them."""
    assert join("a\u202eb\x00") == "a\\u202eb\\x00"


def test_the_value_of_a_field_stays_as_it_is() -> None:
    """The visitor sends it back."""
    assert tag("input", value="é" * 400) == f'<input value="{"é" * 400}">'


def test_markup_stays_markup() -> None:
    """It is escaped once."""
    assert join(Markup("<b>x</b>")) == "<b>x</b>"
