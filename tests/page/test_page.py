# Copyright (c) 2026, the xmpp.edge authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the evidence in a browser: light, dark, narrow, printed, and with hostile text."""

from __future__ import annotations

import base64
import re
import shutil
import sys
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
@pytest.mark.parametrize("selector", ["h1", "td", ".fails", ".holds", ".dim"])
def test_contrast_is_sufficient(browser, name, selector):
    scheme(browser, name)
    paper, ink = luminance(browser, "body", "backgroundColor"), luminance(browser, selector, "color")
    assert (paper > 0.5) is (name == "light")
    assert (max(paper, ink) + 0.05) / (min(paper, ink) + 0.05) >= 4.5


@pytest.mark.parametrize("width", [1200, 400])
def test_page_fits_the_window(browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    drawing = browser.execute_script("return document.querySelector('svg').getBoundingClientRect().toJSON()")
    assert 100 < drawing["width"] <= width and drawing["height"] > 20
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_drawing_has_every_host_and_a_line_to_each(browser):
    names = browser.execute_script("return [...document.querySelectorAll('svg text')].map(e => e.textContent)")
    assert names == ["partner", "outsider", "edge", "front_end"]
    lines = browser.execute_script("return [...document.querySelectorAll('svg line')].map(e => e.className.baseVal)")
    assert sorted(lines) == ["fails", "holds", "holds"]


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
