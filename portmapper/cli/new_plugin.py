"""`portmapper plugins new`: a project that builds, is tested and can be installed as it is written."""

from __future__ import annotations

import importlib.util
import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from portmapper.api.errors import PortmapperError, UsageError, quoted
from portmapper.api.hookspecs import PLUGIN_API
from portmapper.cli.main import COMMANDS
from portmapper.pluginhost.manager import load_plugins

TEMPLATES = Path(__file__).parent / "templates"

NAME = re.compile(r"[a-z0-9]|[a-z0-9][a-z0-9._-]{0,60}[a-z0-9]", re.IGNORECASE)
"""What a distribution may be called (the packaging standard's rule), and no longer than a directory."""


def write_project(name: str, kind: str) -> Path:
    """Write `./NAME` and return the path of its module.

    Raises:
        UsageError: the name is none for a distribution, or is taken.
        PortmapperError: the directory is there already, or cannot be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{quoted(name)} is no name for a distribution: letters, digits, and single '-', '_' or '.' "
            "between them, such as my-router"
        )
    words = _words(name, kind)
    _refuse_taken(words, kind)
    module = Path(name, f"{words['@MODULE@']}.py")
    files = {
        Path(name, "pyproject.toml"): "pyproject.toml.txt",
        Path(name, "README.md"): "README.md.txt",
        module: f"{kind}.py.txt",
        Path(name, "tests", f"test_{words['@MODULE@']}.py"): f"test_{kind}.py.txt",
    }
    if kind == "backend":
        files[Path(name, "tests", "router.py")] = "router.py.txt"
    _write(Path(name), {path: _filled(template, words) for path, template in files.items()})
    return module


def _words(name: str, kind: str) -> Mapping[str, str]:
    """Return what stands in the templates for each of their words."""
    distribution = re.sub(r"[-_.]+", "-", name).lower()
    short = distribution.removeprefix("portmapper-")
    module = distribution.replace("-", "_")
    if not module.isidentifier() or keyword.iskeyword(module):
        module = f"portmapper_{module}"
    title = "".join(part.capitalize() for part in short.split("-"))
    return {
        "@NAME@": distribution,
        "@MODULE@": module,
        "@SHORT@": short,
        "@CLASS@": title if title[0].isalpha() else f"The{title}",
        "@KIND@": kind,
        "@AN@": "an" if kind == "observer" else "a",
        "@API@": PLUGIN_API,
    }


def _refuse_taken(words: Mapping[str, str], kind: str) -> None:
    """Refuse a name with which the plugin could not be imported, or not be loaded."""
    provided = {name for report in load_plugins().reports for name in report.provides}
    provided |= {f"command:{name}" for name in COMMANDS}
    if f"{kind}:{words['@SHORT@']}" in provided:
        raise UsageError(f"there is {words['@AN@']} {kind} {words['@SHORT@']!r} already; take another name")
    if importlib.util.find_spec(words["@MODULE@"]) is not None:
        raise UsageError(f"there is a module {words['@MODULE@']!r} already; take another name")


def _write(directory: Path, files: Mapping[Path, str]) -> None:
    try:
        directory.mkdir()
        (directory / "tests").mkdir()
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise PortmapperError(f"{directory} is there already, and is left as it is") from None
    except OSError as error:
        raise PortmapperError(f"{directory} cannot be written: {error.strerror}") from error


def _filled(template: str, words: Mapping[str, str]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for word, value in words.items():
        text = text.replace(word, value)
    return text
