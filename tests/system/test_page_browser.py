"""The unit's own page, and the wall's beside it, in a real browser (docs/page.md)."""

import re
from datetime import timedelta

import pytest
from browser import DESKTOP, PHONE
from test_page import PASSWORD, PageBench

from host.build import ROOT
from host.process import WAIT_s, poll
from host.profile import profile

PICTURES = ROOT / "build"
# Controls of the wall's page that are behind what was said.
COVERED = """() => {
  const over = document.querySelector(".last").getBoundingClientRect();
  return [...document.querySelectorAll("button, input, select")].filter((one) => {
    const { right, top, bottom } = one.getBoundingClientRect();
    return right > over.left && bottom > over.top && top < over.bottom;
  }).length;
}"""
INDIA = timedelta(hours=5, minutes=30)


@pytest.fixture
def unit(tmp_path, micropython):
    """A station with a page, and the wall's beside it."""

    def bench(**options):
        return PageBench(tmp_path, **{"speed": 20, **options})

    return bench


def url(b):
    return f"http://127.0.0.1:{b.options['page']}/"


async def sign_in(window):
    await window.field("Password").fill(PASSWORD)
    await window.button("Sign in").click()
    await window.shows("You are signed in.")


async def charging(b):
    """A session under a profile of three parts, which change in the middle of a minute."""
    id = await b.charge()
    start = (await b.now()).replace(second=30) - timedelta(minutes=2)
    await b.set_profile(
        profile(
            4, "Tx", {0: 16, 3600: 10, 7200: 20.5}, startSchedule=start, duration=172800,
            transactionId=id,
        ),
        1,
    )  # fmt: skip
    await b.pilot(16000)
    await b.do("speed 1")  # (that part is to last)


async def test_the_plan_has_the_numbers_of_the_composite(unit, browser):
    """In the time of where it is looked at."""
    async with unit() as b:
        await charging(b)
        parts = await b.composite(86400)
        assert [limit for _, limit, *_ in parts] == [16, 10, 20.5]
        times = [b.schedule_start + INDIA + timedelta(seconds=part[0]) for part in parts]
        wanted = [(f"{t:%H:%M}", limit) for t, (_, limit, *_) in zip(times, parts, strict=True)]
        async with browser.open(url(b), timezone_id="Asia/Kolkata") as window:
            await window.shows("Charging at 15.9 A")
            await window.shows("Limited by profile 4")
            picture = window.page.get_by_role("img", name=re.compile("plan", re.IGNORECASE))
            text = await picture.locator("title").first.text_content()
            told = re.findall(r"(\d\d:\d\d)\D+?([\d.]+) A", text)
            assert [(t, float(limit)) for t, limit in told][1:] == wanted[1:], text
            assert float(told[0][1]) == 16
            assert await picture.locator("path").count() > 1
            await window.shows("local time")


async def test_a_person_starts_limits_and_stops(unit, browser):
    """What the unit answers has the time of where it is looked at."""
    async with unit() as b:
        await b.do("plug")
        await b.status("Preparing")
        async with browser.open(url(b), timezone_id="Asia/Kolkata") as window:
            await window.field("Password").fill("wrong-password")
            await window.button("Sign in").click()
            await window.shows("the password is wrong")
            assert await window.button("Start").is_hidden()
            window.refused(401)
            await b.passed(3)  # (until then no other is looked at)
            await sign_in(window)
            await window.field("Tag").fill("TAG")
            await window.button("Start").click()
            await b.st.expect("StartTransaction", lambda p: p["idTag"] == "TAG", WAIT_s)
            await window.shows("Charging at 16.0 A")
            await window.field("Its car needs").fill("7.5")
            await window.field("by").fill("07:30")
            await window.button("Say so").click()
            await window.shows(re.compile(r"^its car needs 7\.\d+ kWh until .*07:30$"))
            await window.field("Limit all to").fill("10")
            await window.button("Limit").click()
            await b.pilot(10000)
            ends = await b.now() + INDIA + timedelta(hours=1)
            hours = "|".join(f"{t:%H}" for t in (ends - timedelta(hours=1), ends))
            said = rf"^all together: 10 A by energy management until ({hours}):\d\d$"
            await window.shows(re.compile(said))
            await window.shows("Limited by the energy management")
            await window.button("End the limit").click()
            await window.shows("connector 1 may take 32 A by the hardware")
            await b.pilot(32000)
            await window.button("Stop").click()
            await b.stopped(reason="Local", idTag="TAG")
            await window.shows("Done: unplug the car")


async def test_with_the_keyboard_alone(unit, browser):
    async with unit() as b:
        await b.charge()
        async with browser.open(url(b)) as window:
            await window.shows("Charging at")
            await window.tab_to(window.field("Password"))
            await window.page.keyboard.type(PASSWORD)
            await window.page.keyboard.press("Enter")
            await window.shows("You are signed in.")
            await window.tab_to(window.field("Limit all to"))
            await window.type_in("8")
            await window.tab_to(window.button("Limit"))
            await window.page.keyboard.press("Enter")
            await b.pilot(8000)
            await window.tab_to(window.button("End the limit"))
            await window.page.keyboard.press("Space")
            await b.pilot(32000)


@pytest.mark.parametrize("name, size", [("phone", PHONE), ("desktop", DESKTOP)])
async def test_it_fits_is_named_and_can_be_read(unit, browser, name, size):
    """Signed out and in; a picture of it stays in build/."""
    async with unit() as b:
        await charging(b)
        async with browser.open(url(b), size) as window:
            await window.shows("Charging at 15.9 A")
            await window.looks_right()
            await sign_in(window)
            await window.shows("page: signed in")
            await window.looks_right()
            await window.page.screenshot(path=PICTURES / f"page-{name}.png", full_page=True)


async def test_the_walls_page_is_the_control_port_with_buttons(unit, browser):
    async with unit() as b:
        told = await b.process.wait_output("wall and car on ")
        async with browser.open(told.split(" on ")[1] + "/", PHONE) as window:
            await window.button("Plug in").click()
            await window.shows("plug 1: ok")
            await b.status("Preparing")
            await window.field("Tag").fill("A TAG")
            await window.button("Present it").click()
            await b.st.expect("StartTransaction", lambda p: p["idTag"] == "A TAG", WAIT_s)
            await window.shows("Charging")
            await window.field("Car: mA").fill("9000")
            await window.button("Change the car").click()
            await b.process.until(lambda c: max(c["ev_mA"]) == 9000)
            await window.field("Fault").select_option("pilot-open")
            await window.button("It happens").click()
            await window.button("Clear pilot-open").wait_for()
            await b.process.until(lambda c: not c["contactor"])
            await window.looks_right()
            await window.page.screenshot(path=PICTURES / "wall-phone.png", full_page=True)
            await window.button("Clear pilot-open").click()
            await window.shows("clear pilot-open 1: ok")
            await window.tab_to(window.field("Any command"))
            await window.page.keyboard.type("fault nothing")
            await window.page.keyboard.press("Enter")
            await window.shows("fault NAME [C]: NAME is one of")
            before = b.st
            await window.button("Cut the power").click()
            await window.shows("power-cut 5: ok")
            await b.again(before)


async def test_the_walls_page_of_a_board_with_everything(unit, browser):
    options = {"config": {"board": "reference_full"}, "heap": "300K"}
    async with unit(connectors=1, **options) as b:
        told = await b.process.wait_output("wall and car on ")
        async with browser.open(told.split(" on ")[1] + "/") as window:
            await window.button("Plug into the car").click()
            await window.shows("plug ev 1: ok")
            await window.button("Plug into the socket").click()
            await b.status("Preparing")
            await window.button("Lay it on the reader").click()
            await window.shows("card 04A1B2C3: ok")
            assert await window.page.evaluate(COVERED) == 0
            await window.looks_right()

            async def charges():
                return (await b.process.connector())["transactionId"]

            await poll(charges, WAIT_s, "the card has begun a transaction")
