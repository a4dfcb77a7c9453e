"""Pages in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from contextlib import contextmanager

import pytest

WIDTH, HEIGHT = 1440, 1000


@contextmanager
def chromium():
    """Yield a browser; skip the test where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("no chromium (apt-get install chromium)")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def open_page(browser, storage=None):
    """Return an empty page; `storage` is in its local storage before any script runs."""
    page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.set_default_timeout(90_000)
    for key, value in (storage or {}).items():
        page.add_init_script(f"localStorage.setItem({key!r}, {value!r})")
    return page
