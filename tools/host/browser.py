"""The Chromium that this computer has, for the tests of the pages and the pictures of them."""

import os
import shutil
from contextlib import asynccontextmanager

NONE = "no Chromium here: apt-get install chromium, or CHROMIUM=/path/to/it"


def chromium():
    """Its path; None: there is none."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@asynccontextmanager
async def launched(exe, within_s):
    """Headless: a Browser of Playwright."""
    from playwright.async_api import async_playwright  # (half a second, for these alone)

    # (root has no sandbox; /dev/shm is small in a container)
    words = ["--disable-dev-shm-usage"] + ["--no-sandbox"] * (os.geteuid() == 0)
    async with async_playwright() as playwright:
        start = playwright.chromium.launch
        browser = await start(executable_path=exe, args=words, timeout=within_s * 1000)
        try:
            yield browser
        finally:
            await browser.close()
