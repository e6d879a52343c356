"""`portmapper plugins new`: create a plugin project that builds, passes its tests and can be installed."""

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
"""A valid distribution name by the packaging standard, short enough for a directory name."""


def write_project(name: str, kind: str) -> Path:
    """Create the directory `./NAME` and return the path of its module.

    Raises:
        UsageError: the name is not valid for a distribution, or is taken.
        PortmapperError: the directory already exists or cannot be written.
    """
    if not NAME.fullmatch(name):
        raise UsageError(
            f"{quoted(name)} is not a valid distribution name: use letters and digits, with single '-', '_' "
            "or '.' between them, such as my-router"
        )
    values = _placeholders(name, kind)
    _refuse_taken_names(values, kind)
    module = Path(name, f"{values['@MODULE@']}.py")
    files = {
        Path(name, "pyproject.toml"): "pyproject.toml.txt",
        Path(name, "README.md"): "README.md.txt",
        module: f"{kind}.py.txt",
        Path(name, "tests", f"test_{values['@MODULE@']}.py"): f"test_{kind}.py.txt",
    }
    if kind == "backend":
        files[Path(name, "tests", "router.py")] = "router.py.txt"
    _write(Path(name), {path: _filled(template, values) for path, template in files.items()})
    return module


def _placeholders(name: str, kind: str) -> Mapping[str, str]:
    """Return the value of each placeholder in the templates."""
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


def _refuse_taken_names(values: Mapping[str, str], kind: str) -> None:
    """Refuse a name with which the plugin could not be imported or loaded."""
    plugins = load_plugins()
    plugins.complete()
    provided = {name for report in plugins.reports for name in report.provides}
    provided |= {f"command:{name}" for name in COMMANDS}
    if f"{kind}:{values['@SHORT@']}" in provided:
        raise UsageError(f"the {kind} {values['@SHORT@']!r} already exists; choose another name")
    if importlib.util.find_spec(values["@MODULE@"]) is not None:
        raise UsageError(f"the module {values['@MODULE@']!r} already exists; choose another name")


def _write(directory: Path, files: Mapping[Path, str]) -> None:
    try:
        directory.mkdir()
        (directory / "tests").mkdir()
        for path, text in files.items():
            path.write_text(text, encoding="utf-8")
    except FileExistsError:
        raise PortmapperError(f"{directory} already exists; nothing was written") from None
    except OSError as error:
        raise PortmapperError(f"{directory} cannot be written: {error.strerror}") from error


def _filled(template: str, values: Mapping[str, str]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for placeholder, value in values.items():
        text = text.replace(placeholder, value)
    return text
