"""A real browser in a test, and what it knows of a page: names, contrast, width, complaints."""

import asyncio
import re
from contextlib import asynccontextmanager

from host.browser import launched
from host.process import WAIT_s

PHONE, DESKTOP = (390, 844), (1280, 900)
TABS = 100  # more than a page has to stop at
CONTROLS = {
    "button", "checkbox", "combobox", "link", "listbox", "radio", "searchbox", "slider",
    "spinbutton", "switch", "textbox",
}  # fmt: skip
# Of all text that can be seen: the lowest contrast (WCAG 2, 1.4.3), and where.
CONTRAST = """() => {
  const part = (v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const weight = [0.2126, 0.7152, 0.0722];
  const light = (rgb) => rgb.reduce((sum, v, i) => sum + weight[i] * part(v / 255), 0);
  const rgba = (text) => [...text.match(/[\\d.]+/g).map(Number), 1].slice(0, 4);
  const over = ([r, g, b, a], below) => [r, g, b].map((v, i) => v * a + below[i] * (1 - a));
  const ground = (e) => {
    if (!e) return [255, 255, 255];
    const c = rgba(getComputedStyle(e).backgroundColor);
    return c[3] === 1 ? c.slice(0, 3) : over(c, ground(e.parentElement));
  };
  let worst = [99, "no text"];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walk.nextNode());) {
    const e = node.parentElement;
    const unseen = e.closest("title, noscript, option") || !e.getClientRects().length;
    if (unseen || !node.data.trim()) continue;
    const style = getComputedStyle(e), below = ground(e);
    const ink = over(rgba(e instanceof SVGElement ? style.fill : style.color), below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst[0]) worst = [ratio, node.data.trim()];
  }
  return worst;
}"""


class Browser:
    """Headless, in an event loop of its own: `run(coroutine)`."""

    def __init__(self, exe):
        self._launched = launched(exe, WAIT_s)
        self._loop = asyncio.new_event_loop()
        self.run = self._loop.run_until_complete

    def __enter__(self):
        self._chromium = self.run(self._launched.__aenter__())
        return self

    def __exit__(self, *error):
        self.run(self._launched.__aexit__(None, None, None))
        self._loop.close()

    @asynccontextmanager
    async def open(self, url, size=DESKTOP, **options):
        """A window of its own on `url`. At the end nothing may have been complained of, nor asked
        of another host."""
        width, height = size
        options = {"locale": "en-GB", "timezone_id": "UTC", **options}
        view = {"width": width, "height": height}
        context = await self._chromium.new_context(viewport=view, **options)
        context.set_default_timeout(WAIT_s * 1000)
        try:
            window = Window(await context.new_page(), url)
            await window.page.goto(url)
            yield window
            assert window.complaints == [] and window.elsewhere == []
        finally:
            await context.close()


class Window:
    """`page` is Playwright's; `complaints`: the errors and warnings in its console."""

    def __init__(self, page, url):
        self.page = page
        self.complaints, self.elsewhere = [], []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda r: r.url.startswith(url) or self.elsewhere.append(r.url))

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def refused(self, *statuses):
        """Take these statuses of HTTP, which it was right to complain of, off its complaints."""
        pattern = rf"Failed to load resource: .* status of ({'|'.join(map(str, statuses))}) "
        assert [text for text in self.complaints if re.match(pattern, text)]
        self.complaints = [text for text in self.complaints if not re.match(pattern, text)]

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def field(self, name):
        """The one whose label begins so."""
        labelled = self.page.get_by_label(re.compile("^" + re.escape(name)))
        return labelled.and_(self.page.locator("input, select"))

    async def shows(self, text):
        """Wait until `text`, or what matches it, can be seen."""
        await self.page.get_by_text(text).filter(visible=True).first.wait_for()

    async def tab_to(self, control):
        """Go there with the Tab key alone."""
        for _ in range(TABS):
            if await control.evaluate("(e) => e === document.activeElement"):
                return
            await self.page.keyboard.press("Tab")
        raise AssertionError(f"no Tab leads to {control}")

    async def type_in(self, text):
        """In place of what stands where the keyboard is."""
        await self.page.keyboard.press("ControlOrMeta+a")
        await self.page.keyboard.type(text)

    async def nameless(self):
        """Roles of the controls that have no name, as the browser tells a screen reader."""
        session = await self.page.context.new_cdp_session(self.page)
        nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
        await session.detach()
        seen = [node for node in nodes if not node["ignored"] and "role" in node]
        seen = [node for node in seen if node["role"]["value"] in CONTROLS]
        assert len(seen) > 1, "controls"
        return [node for node in seen if not node.get("name", {}).get("value", "").strip()]

    async def looks_right(self):
        """Names on all controls, contrast, and nothing wider than the window, by day and night,
        with all opened that can be."""
        for one in await self.page.locator("details:not([open]) > summary").all():
            if await one.is_visible():
                await one.click()
                await self.page.locator("details[open]").locator("input, pre").first.wait_for()
        assert await self.nameless() == []
        for scheme in ("dark", "light"):
            await self.page.emulate_media(color_scheme=scheme)
            ratio, where = await self.page.evaluate(CONTRAST)
            assert ratio >= 4.5, (scheme, where)
        element = "document.scrollingElement"
        wide = await self.page.evaluate(f"[{element}.scrollWidth, {element}.clientWidth]")
        assert wide[0] <= wide[1], wide
