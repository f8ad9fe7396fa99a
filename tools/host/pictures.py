"""`make pictures`: those of the README, of a simulated day, into docs/. page.png is the unit's own
page on a phone, plan.png its plan, both in the middle of that day; day.svg is what came of it."""

import asyncio
import shutil
import sys

from host.browser import NONE, chromium, launched
from host.build import ROOT
from host.csms import V16
from host.demo import DEADLINE_s, addresses, play, stage

DOCS = ROOT / "docs"
AT = 36  # period of the day: nine hours are past, most of the rest is to come
# Name, width and height of the window, what of it (nothing: all), and pixels a pixel.
PICTURES = (("page", 390, 844, None, 1.25), ("plan", 960, 900, "figure", 1))


async def take(browser, url):
    """Both pictures of the page at `url`."""
    for name, width, height, part, scale in PICTURES:
        view = {"width": width, "height": height}
        page = await browser.new_page(viewport=view, device_scale_factor=scale, locale="en-GB")
        page.set_default_timeout(DEADLINE_s * 1000)
        await page.goto(url)
        await page.locator("figure svg path").first.wait_for(state="attached")
        await (page.locator(part) if part else page).screenshot(path=DOCS / f"{name}.png")
        await page.close()
        print(f"--- docs/{name}.png", flush=True)


async def run():
    exe = chromium()
    if not exe:
        print(NONE, file=sys.stderr)
        return 1
    async with stage(V16.protocol) as (cs, station), launched(exe, DEADLINE_s) as browser:
        page, _ = await addresses(station)
        status = await play(cs, station, {AT: lambda: take(browser, page.partition(",")[0])})
    if status == 0:
        shutil.copy(ROOT / "build" / "run.svg", DOCS / "day.svg")
    return status


if __name__ == "__main__":
    sys.exit(asyncio.run(run()))
