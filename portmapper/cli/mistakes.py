"""Mistakes on the command line in our own words: what is missing or invalid, and what to write.

argparse passes on its own text only. The patterns below cover what Python 3.11 to 3.14 write.
"""

from __future__ import annotations

import difflib
import re
from argparse import Action
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_MEANT = {
    **dict.fromkeys(("--duration", "--ttl", "--lease", "--time"), "--lifetime"),
    **dict.fromkeys(("--address", "--host", "--ip", "--target"), "--to"),
    **dict.fromkeys(("--description", "--name", "--desc"), "--comment"),
    **dict.fromkeys(("--router", "--igd", "--interface"), "--gateway"),
    **dict.fromkeys(("--once", "--one-shot"), "--oneshot"),
    **dict.fromkeys(("--background", "--detach", "-D"), "--daemon"),
    **dict.fromkeys(("--settings", "-c"), "--config"),
    "--debug": "--verbose",
}
"""What other programs call an option."""

_ANY = "(.*)"
_MISSING = f"the following arguments are required: {_ANY}"
_UNKNOWN = f"unrecognized arguments: {_ANY}"
_INVALID = rf"argument {_ANY}: invalid choice: '?(.*?)'? \(choose from {_ANY}\)"
_NO_VALUE = f"argument {_ANY}: expected (?:one|at least one|[0-9]+) arguments?"
_EXCLUDES = f"argument {_ANY}: not allowed with argument {_ANY}"
_TAKES_NONE = f"argument {_ANY}: ignored explicit argument {_ANY}"
_AMBIGUOUS = f"ambiguous option: {_ANY} could match {_ANY}"
_OTHER = f"argument (-[^ :]*): {_ANY}"


def in_plain_words(message: str, actions: Sequence[Action]) -> str:
    """Return argparse's message in our own words."""
    for pattern, words in _WORDS.items():
        if found := re.fullmatch(pattern, message, re.DOTALL):
            return words(actions, *found.groups())
    return message


def hint(message: str, actions: Sequence[Action], example: str) -> str:
    """Return what to write instead: the nearest valid word, or an example if something is missing."""
    if re.match(_MISSING, message):
        return f"for example: {example}" if example else ""
    if found := re.fullmatch(_UNKNOWN, message):
        word, known = found[1].split()[0].partition("=")[0], [n for a in actions for n in a.option_strings]
    elif found := re.fullmatch(_INVALID, message, re.DOTALL):
        word, known = found[2], _choices(found[3])
    else:
        return ""
    meant = _MEANT.get(word)
    near = [meant] if meant in known else difflib.get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else ""


def _missing(actions: Sequence[Action], names: str) -> str:
    known: dict[Any, Action] = {action.metavar or action.dest: action for action in actions}
    found = names.split(", ")
    # argparse also names arguments that may be omitted, if they are mixed with options.
    required = [name for name in found if name not in known or known[name].nargs not in ("*", "?")]
    words = [_one_of(known, name) for name in required or found]
    return f"{_listed(words, 'and')} {'is' if len(words) == 1 else 'are'} missing"


def _one_of(known: Mapping[Any, Action], name: str) -> str:
    """Return the words that an argument allows, or else its name."""
    choices = known[name].choices if name in known else None
    return _listed([str(choice) for choice in choices], "or") if choices else name


def _unknown(_: Sequence[Action], words: str) -> str:
    return f"there is no option or argument {words}"


def _invalid(_: Sequence[Action], name: str, value: str, choices: str) -> str:
    return f"{_option(name)}'{value}' is not valid: use {_listed(_choices(choices), 'or')}"


def _no_value(actions: Sequence[Action], name: str) -> str:
    values = [action.metavar for action in actions if name == "/".join(action.option_strings)]
    value = f" ({values[0]})" if values and values[0] else ""
    return f"{_long(name)} needs a value{value}"


def _excludes(_: Sequence[Action], name: str, other: str) -> str:
    return f"{_long(other)} and {_long(name)} cannot be used together"


def _takes_none(_: Sequence[Action], name: str, value: str) -> str:
    return f"{_long(name)} takes no value, not {value}"


def _ambiguous(_: Sequence[Action], word: str, names: str) -> str:
    return f"{word.partition('=')[0]} can be {_listed(names.split(', '), 'or')}: write more of it"


def _other(_: Sequence[Action], name: str, reason: str) -> str:
    return f"{_long(name)}: {reason}"


_WORDS: dict[str, Callable[..., str]] = {
    _MISSING: _missing,
    _UNKNOWN: _unknown,
    _INVALID: _invalid,
    _NO_VALUE: _no_value,
    _EXCLUDES: _excludes,
    _TAKES_NONE: _takes_none,
    _AMBIGUOUS: _ambiguous,
    _OTHER: _other,
}


def _option(name: str) -> str:
    """Return the start of a message about an option; an argument without dashes has no name to the user."""
    return f"{_long(name)}: " if name.startswith("-") else ""


def _long(name: str) -> str:
    """Return the long form of `-n/--interval`."""
    return name.rpartition("/")[2] if name.startswith("-") else name


def _choices(text: str) -> list[str]:
    return [choice.strip(" '") for choice in text.split(",")]


def _listed(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
