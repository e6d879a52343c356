"""A real browser, a real daemon and a real miniupnpd."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser_site import DENIED, Site
from chromium import Browser, missing_browser
from netlab.gateway import IGD2_AND_PCP
from netlab.lab import running_lab
from netlab.namespaces import sweep
from netlab.requirements import missing_requirement


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark each test of this directory."""
    item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser_can_run() -> None:
    """Skip without a browser or a lab; in CI, fail instead, so that the gap is noticed."""
    if reason := missing_browser() or missing_requirement():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    sweep()


@pytest.fixture(scope="session")
def axe(browser_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script of axe-core, which finds what keeps people from using a page."""
    directory = tmp_path_factory.mktemp("axe")
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    npm = shutil.which("npm", path=places)
    assert npm is not None, "install the dependency group `browser`"
    command = [npm, "pack", "axe-core@4", "--silent", "--pack-destination", str(directory)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, env={**os.environ, "PATH": places})
    (package,) = directory.glob("*.tgz")
    with tarfile.open(package) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


@pytest.fixture(scope="session")
def shared_site(browser_can_run: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site for all tests, behind a gateway that refuses one port."""
    with running_lab(tmp_path_factory.mktemp("lab")) as lab:
        rules = (f"deny {DENIED} 0.0.0.0/0 1-65535", *IGD2_AND_PCP.rules)
        lab.gateway.reset(dataclasses.replace(IGD2_AND_PCP, rules=rules))
        with Site(lab) as site:
            yield site


@pytest.fixture
def site(shared_site: Site) -> Site:
    """The site with its first list, on a wide screen, logged in."""
    shared_site.reset()
    shared_site.browser.resize(1280)
    shared_site.browser.prefer("light")
    shared_site.log_in()
    return shared_site


@pytest.fixture
def browser(site: Site) -> Iterator[Browser]:
    """The browser; at the end, its console is empty, and the policy of the page blocked nothing."""
    site.browser.complaints()
    yield site.browser
    assert site.browser.complaints() == []
