"""The page in Chromium, with a real miniupnpd and a host on the internet."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from browser_site import DENIED, HEADLINE, Site
from chromium import Browser

LARGEST_SCREEN = 60 * 1024
"""Bytes that the first screen may transfer."""

STILL = 0.01
"""The largest layout shift that no one sees."""

MARKUP = "<script>document.title='evil'</script><img src=x onerror=alert(1)>"


def rows(browser: Browser) -> list[str]:
    """Return the ports in the order of the page."""
    return list(
        browser.run("return [...document.querySelectorAll('.mapping')].map((row) => row.dataset.port)")
    )


def row(port: int, protocol: str = "tcp") -> str:
    """Return the selector of a row."""
    return f'.mapping[data-port="{port}/{protocol}"]'


def open_port(browser: Browser, port: int) -> None:
    """Open a port with the form, and confirm it."""
    browser.fill("#open-port", str(port))
    browser.fill("#open-comment", "by hand")
    browser.click("#open-button")
    browser.until_text(f"Open {port}/tcp?")
    browser.click("#dialog .main")


def press(browser: Browser, *keys: str) -> None:
    """Press keys one after the other."""
    from selenium.webdriver import ActionChains

    ActionChains(browser.driver).send_keys(*keys).perform()


def tab_to(browser: Browser, identifier: str) -> None:
    """Press Tab until an element has the focus."""
    from selenium.webdriver import Keys

    for _ in range(100):
        if browser.run("return document.activeElement.id") == identifier:
            return
        press(browser, Keys.TAB)
    raise AssertionError(f"{identifier} cannot be reached with Tab")


def test_a_visitor_logs_in_with_a_token(site: Site) -> None:
    """Without a login, the page can be read and has no buttons."""
    browser = site.browser
    browser.click("form[action='/logout'] button")
    browser.find("#token")
    browser.open("/")
    browser.until_text("Log in to open and close ports.")
    assert HEADLINE in browser.text
    assert not browser.driver.find_elements("css selector", "form[action^='/confirm/']")
    browser.open("/login")
    browser.fill("#token", "wrong")
    browser.click("form button")
    browser.until_text("this token is not valid")
    browser.fill("#token", site.token)
    browser.click("form button")
    browser.find("#open-button")


def test_the_refused_row_is_first_with_its_reason(browser: Browser) -> None:
    """The reason is that of the gateway, and there is advice."""
    assert rows(browser)[0] == f"{DENIED}/tcp"
    text = browser.find(row(DENIED)).text
    assert "refused" in text
    assert browser.find(f"{row(DENIED)} .reason").text


def test_a_mapping_appears_when_the_list_changes(site: Site, browser: Browser) -> None:
    """The page is not loaded again, and the port answers a host on the internet."""
    browser.run("window.sameDocument = true")
    site.write("8100;tcp;1h;new")
    browser.until_text("41 of 42 open")
    assert "8100/tcp" in rows(browser)
    assert browser.run("return window.sameDocument")
    assert site.lab.reaches("TCP", 8100)


def test_a_rejected_row_appears_with_line_and_column(site: Site, browser: Browser) -> None:
    """It is counted next to the mappings."""
    site.write("99999;tcp;1h;too large")
    browser.until_text("1 rejected row")
    assert HEADLINE in browser.text
    assert "line 43, column port" in browser.text


def test_a_port_is_opened_closed_and_opened_again(site: Site, browser: Browser) -> None:
    """A host on the internet notices each of them."""
    open_port(browser, 9000)
    browser.until_text("9000/tcp is open at 11.22.33.1:9000.")
    assert site.lab.reaches("TCP", 9000)
    browser.click(f"{row(9000)} .do button")
    browser.until_text("Close 9000/tcp?")
    browser.click("#dialog .main")
    browser.until_text("9000/tcp is closed.")
    assert site.lab.query_from_wan("TCP", 9000) is None
    browser.click("#undo")
    browser.until_text("9000/tcp is open at")
    assert site.lab.reaches("TCP", 9000)
    browser.click(f"{row(9000)} .do button")
    browser.click("#dialog .main")
    browser.until_text("9000/tcp is closed.")


def test_a_question_can_be_canceled(site: Site, browser: Browser) -> None:
    """Nothing has changed."""
    browser.click(f"{row(8000)} .do button")
    browser.until_text("Pause 8000/tcp?")
    browser.click("#dialog [data-cancel]")
    browser.until(lambda: "Pause 8000/tcp?" not in browser.text, "closed question")
    assert site.lab.reaches("TCP", 8000)


def test_a_row_of_a_list_is_paused_and_resumed(site: Site, browser: Browser) -> None:
    """The port is closed meanwhile."""
    browser.click(f"{row(8000)} .do button")
    browser.click("#dialog .main")
    browser.until_text("8000/tcp is paused.")
    browser.until_text("39 of 40 open")
    assert site.lab.query_from_wan("TCP", 8000) is None
    browser.click(f"{row(8000)} .do button")
    browser.until_text("Resume 8000/tcp?")
    browser.click("#dialog .main")
    browser.until_text("8000/tcp is resumed.")
    browser.until_text(HEADLINE)
    assert site.lab.reaches("TCP", 8000)


def test_an_invalid_port_is_an_error_on_the_page(browser: Browser) -> None:
    """The daemon says what is wrong."""
    browser.fill("#open-port", "99999")
    browser.click("#open-button")
    browser.click("#dialog .main")
    browser.find("#result.error")
    assert "99999" in browser.find("#result").text


def test_reload_tells_its_result(browser: Browser) -> None:
    """The lists are read again."""
    browser.click("form[action='/confirm/reload'] button")
    browser.click("#dialog .main")
    browser.until_text("The lists were read again: 1 list, 0 rejected rows.")


def test_doctor_shows_its_findings(browser: Browser) -> None:
    """They appear while it runs."""
    browser.click("form[action='/confirm/doctor'] button")
    browser.click("#dialog .main")
    browser.until_text("Doctor is running.")
    browser.find("#doctor .findings li")


def test_search_and_filter(browser: Browser) -> None:
    """The page shows what matches while the visitor types."""
    browser.fill("#q", "game")
    browser.until(lambda: rows(browser) == ["8040/udp"], "one row")
    browser.fill("#q", "")
    browser.run(
        "const s = document.getElementById('show'); s.value = 'problems'; "
        "s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    browser.until(lambda: rows(browser) == [f"{DENIED}/tcp"], "the problem")


def test_the_remaining_time_runs(browser: Browser) -> None:
    """Without a request."""
    rest = "return document.querySelector('[data-until]').textContent"
    before = browser.run(rest)
    browser.until(lambda: browser.run(rest) != before, "less time")
    assert re.search(r"^\d+m \d+s left$", browser.find(".mapping.active [data-until]").text)


def test_an_address_can_be_copied(browser: Browser) -> None:
    """The button says that it worked."""
    browser.click("#summary .copy")
    browser.until_text("Copied")


def test_the_page_follows_a_restart_of_the_daemon(site: Site) -> None:
    """It says since when the daemon is gone, and goes on when it is back; the login stays valid."""
    browser = site.browser
    site.daemon.kill()
    browser.until_text("The daemon has not answered since")
    site.start()
    browser.until(lambda: "has not answered" not in browser.text, "connected page")
    browser.until_text(HEADLINE)
    site.write("8101;tcp;1h;after the restart")
    browser.until_text("41 of 42 open")
    assert browser.find("#open-button")
    browser.complaints()  # failed requests are in the console


def test_a_hidden_tab_needs_no_connection_and_follows_again(site: Site, browser: Browser) -> None:
    """Six tabs with a stream would take all connections that a browser has for one host."""
    hide = (
        "Object.defineProperty(document, 'hidden', {value: arguments[0], configurable: true});"
        "document.dispatchEvent(new Event('visibilitychange')); return events === null"
    )
    assert browser.run(hide, True)
    site.write("8104;tcp;1h;while it was hidden")
    assert not browser.run(hide, False)
    browser.until_text("41 of 42 open")


@pytest.mark.parametrize("width", [360, 768, 1280, 3840])
def test_no_screen_is_too_narrow(browser: Browser, width: int) -> None:
    """Nothing has to be scrolled sideways, in a question neither."""
    browser.resize(width)
    for step in ("page", "question"):
        if step == "question":
            browser.click(f"{row(8000)} .do button")
            browser.find("#dialog .main")
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        beyond = (
            "return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && "
            "!e.matches('.skip') && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML)"
        )
        assert browser.run(beyond) == []


def test_dark_mode(browser: Browser) -> None:
    """The page follows the system."""
    color = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert min(browser.run(color)) > 200
    browser.prefer("dark")
    assert max(browser.run(color)) < 60


def test_everything_works_with_the_keyboard(site: Site, browser: Browser) -> None:
    """A port is opened and closed without a pointer, and the focus stays visible."""
    from selenium.webdriver import Keys

    tab_to(browser, "open-port")
    press(browser, "9001")
    tab_to(browser, "open-button")
    assert browser.run("return getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press(browser, Keys.ENTER)
    browser.find("#dialog .main")
    press(browser, Keys.ENTER)
    browser.until_text("9001/tcp is open at")
    tab_to(browser, "close-9001/tcp")
    press(browser, Keys.ENTER)
    browser.find("#dialog .main")
    press(browser, Keys.ESCAPE)
    browser.until(lambda: browser.run("return !document.getElementById('dialog').open"), "closed question")
    tab_to(browser, "close-9001/tcp")
    press(browser, Keys.ENTER)
    browser.find("#dialog .main")
    press(browser, Keys.ENTER)
    browser.until_text("9001/tcp is closed.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_nothing(browser: Browser, axe: str, scheme: str, width: int) -> None:
    """Neither on the page nor in a question."""
    browser.prefer(scheme)
    browser.resize(width)
    assert browser.violations_of(axe) == []
    browser.click(f"{row(8000)} .do button")
    browser.find("#dialog .main")
    assert browser.violations_of(axe) == []


def test_axe_finds_nothing_at_the_login(site: Site, axe: str) -> None:
    """With an error, too."""
    browser = site.browser
    browser.click("form[action='/logout'] button")
    browser.fill("#token", "wrong")
    browser.click("form button")
    browser.until_text("this token is not valid")
    assert browser.violations_of(axe) == []


def test_markup_in_a_list_is_text(site: Site, browser: Browser) -> None:
    """It neither runs nor becomes an element."""
    site.write(f"8102;tcp;1h;{MARKUP}", f"8103;tcp;1h;{'x' * 65_000}")
    browser.until_text("<script>")
    assert browser.driver.title != "evil"
    assert browser.run("return document.querySelectorAll('main script, main img').length") == 0
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")


def test_the_first_screen_is_small_and_does_not_move(browser: Browser) -> None:
    """All of it comes from the daemon."""
    browser.open("/")
    browser.until_text(HEADLINE)
    parts = browser.run(
        "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".filter((part) => !part.name.endsWith('/v1/events')).map((part) => [part.name, part.transferSize])"
    )
    assert all(name.startswith(browser.base) for name, _ in parts)
    assert sum(size for _, size in parts) <= LARGEST_SCREEN
    assert browser.run("return window.shifts") <= STILL


def test_it_works_without_javascript(site: Site) -> None:
    """Reading, and pausing a row with its question."""
    browser = site.browser
    browser.command("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open("/?q=8001")
        browser.click(f"{row(8001)} .do button")
        browser.click("#question .main")
        assert "8001/tcp is paused." in browser.find("#result").text
        browser.click("#undo")
        assert "8001/tcp is resumed." in browser.find("#result").text
    finally:
        browser.command("Emulation.setScriptExecutionDisabled", value=False)


def test_pictures_for_the_docs(browser: Browser) -> None:
    """With UPDATE_PICTURES, they are stored in that directory."""
    directory = os.environ.get("UPDATE_PICTURES")
    if not directory:
        pytest.skip("UPDATE_PICTURES names no directory")
    for name, width, height, scheme in (
        ("web-wide", 1280, 800, "light"),
        ("web-dark", 1280, 800, "dark"),
        ("web-phone", 360, 740, "light"),
    ):
        browser.resize(width, height)
        browser.prefer(scheme)
        browser.run("document.querySelector('#sources h3').textContent = '/etc/portmapper/ports.csv'")
        browser.picture(Path(directory) / f"{name}.webp")
