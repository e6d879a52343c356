"""The standard pages pass the contract of web plugins."""

from __future__ import annotations

import pytest

from portmapper.testing import FakeView, WebContract, WebSubject
from portmapper_web.pages import Page


class TestPage(WebContract):
    """Run portmapper's tests for web plugins."""

    @pytest.fixture
    def subject(self) -> WebSubject:
        """Return the page of a daemon without mappings."""
        return WebSubject(Page(FakeView()), {"file": "style.css", "action": "reload"})
