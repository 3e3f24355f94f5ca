# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the evidence in a browser: light, dark, narrow, printed, and with hostile text."""

from __future__ import annotations

import base64
import re
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

UNIT = Path(__file__).resolve().parents[1] / "unit" / "plugins" / "module_utils" / "_edge" / "verify"
sys.path.insert(0, str(UNIT))

from test_verify import evidence, hostile_report  # noqa: E402

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="chromium or its driver is not installed")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Open the page in a browser that logs every request, and yield the browser."""
    page = tmp_path_factory.mktemp("page") / "evidence.html"
    page.write_text(evidence.write_page(hostile_report()), encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.get(page.as_uri())
    yield driver
    driver.quit()


def scheme(browser, name):
    """Set the preferred colour scheme."""
    features = [{"name": "prefers-color-scheme", "value": name}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def luminance(browser, selector, property_name):
    """Return the relative luminance of a colour, as WCAG 2 defines it."""
    script = f"return getComputedStyle(document.querySelector({selector!r})).{property_name}"
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", browser.execute_script(script))[:3])
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("selector", ["h1", "td", "td.fails", "td.holds", ".unchecked", ".dim", "caption", "dd", "pre"])
def test_contrast_is_sufficient(browser, name, selector):
    scheme(browser, name)
    paper, ink = luminance(browser, "body", "backgroundColor"), luminance(browser, selector, "color")
    assert (paper > 0.5) is (name == "light")
    assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) >= 4.5


@pytest.mark.parametrize("name", ["light", "dark"])
@pytest.mark.parametrize("kind", ["opened", "blocked", "broken", "unchecked"])
def test_lines_of_the_drawing_can_be_told_from_the_paper(browser, name, kind):
    scheme(browser, name)
    paper = luminance(browser, "body", "backgroundColor")
    line = luminance(browser, f"svg line.{kind}", "stroke")
    # WCAG 2 demands this of graphics.
    assert (max(paper, line) + 0.05) / (min(paper, line) + 0.05) >= 3


@contextmanager
def as_wide_as(browser, width):
    """Have a window of a width for as long as the body runs, with all that is folded unfolded."""
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    try:
        yield
    finally:
        browser.execute_script("for (const one of document.querySelectorAll('details')) one.open = false")
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1200, 400])
def test_page_fits_the_window(browser, width):
    with as_wide_as(browser, width):
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        drawing = browser.execute_script("return document.querySelector('svg').getBoundingClientRect().toJSON()")
        assert drawing["width"] > 700 and drawing["height"] > 100


# The boxes of each word, of which one that is broken has several.
BROKEN_WORDS = """
const broken = [], range = document.createRange();
for (const cell of document.querySelectorAll('h1, h2, th, td, caption, summary, li > span')) {
  const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    for (const word of walker.currentNode.data.matchAll(/\\S+/g)) {
      range.setStart(walker.currentNode, word.index);
      range.setEnd(walker.currentNode, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map(box => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
}
return broken;
"""
NARROW_COLUMNS = """
const probe = document.createElement('span');
probe.textContent = '000000';
document.querySelector('td').append(probe);
const six = probe.getBoundingClientRect().width;
probe.remove();
return [...document.querySelectorAll('th, td')].filter(cell => {
  const style = getComputedStyle(cell);
  const inner = cell.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  return inner < six - 1;
}).map(cell => cell.textContent);
"""


@pytest.mark.parametrize("width", [1200, 400])
def test_no_word_is_broken_and_no_column_is_narrow(browser, width):
    with as_wide_as(browser, width):
        # A hyphen and a slash are where a browser may go on in the next line.
        broken = [word for word in browser.execute_script(BROKEN_WORDS) if not re.search(r"[-/]", word)]
        assert broken == []
        assert browser.execute_script(NARROW_COLUMNS) == []


def test_the_headline_has_verdict_edge_and_date(browser):
    headline = browser.execute_script("return document.querySelector('h1').textContent")
    assert headline == browser.title == "XMPP federation does not hold: edge, 2026-01-01"


def test_the_matrix_comes_first_and_details_are_folded(browser):
    tables = "return [...document.querySelectorAll('h1, caption, h2, summary')].map(e => e.textContent)"
    order = browser.execute_script(tables)
    assert order[:5] == [browser.title, "Who reaches what", "To edge", "From edge", "Causes"]
    assert browser.execute_script("return [...document.querySelectorAll('details')].some(e => e.open)") is False
    scopes = "return [...document.querySelectorAll('th')].map(e => e.scope)"
    assert set(browser.execute_script(scopes)) == {"col", "row"}
    captions = "return [...document.querySelectorAll('table')].every(e => e.caption && e.caption.textContent)"
    assert browser.execute_script(captions)


def test_drawing_has_every_host_and_says_what_its_lines_are(browser):
    names = browser.execute_script("return [...document.querySelectorAll('svg .name')].map(e => e.textContent)")
    assert names == ["partner", "outsider", "edge", "front_end"]
    left = "return [...document.querySelectorAll('svg rect')].map(e => e.x.baseVal.value)"
    outside, _outsider, edge, inside = browser.execute_script(left)
    assert outside < edge < inside
    lines = browser.execute_script("return [...document.querySelectorAll('svg line')].map(e => e.className.baseVal)")
    # Each kind is in the legend; none is not checked here.
    assert {line.split()[0] for line in lines} == {"opened", "blocked", "broken", "unchecked"}
    assert [line for line in lines if "unchecked" in line] == ["unchecked legend"]
    legend = browser.execute_script("return [...document.querySelectorAll('svg .port')].map(e => e.textContent)")
    assert {"open, as it must be", "closed, as it must be", "not as it must be", "not checked"} <= set(legend)
    assert "5269" in legend and "23456" in legend


def test_a_blocked_flow_does_not_reach_its_target(browser):
    ends = """return [...document.querySelectorAll('svg line.blocked:not(.legend)')].map(line => [
      line.x2.baseVal.value, ...[...document.querySelectorAll('svg rect')].map(
        box => [box.x.baseVal.value, box.x.baseVal.value + box.width.baseVal.value])])"""
    found = browser.execute_script(ends)
    assert found
    for end, *boxes in found:
        assert all(end < left - 20 or end > right + 20 for left, right in boxes)


def test_page_can_be_printed(browser):
    printed = base64.b64decode(browser.print_page())
    assert printed.startswith(b"%PDF") and len(printed) > 10_000


def test_page_sends_no_request_and_runs_no_script(browser):
    requests = [
        entry["message"] for entry in browser.get_log("performance") if "Network.requestWillBeSent" in entry["message"]
    ]
    assert [text for text in requests if "file://" not in text] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    assert "<script>alert(1)</script>" in browser.execute_script("return document.body.innerText")
    assert browser.execute_script("return document.scripts.length") == 0
