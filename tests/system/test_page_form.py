"""What a person sets by the unit's page (docs/page.md), and who decides the plan that it draws."""

import ast
import asyncio
import json
import re

from browser import PHONE
from test_page import PASSWORD, PageBench

from host.build import ROOT
from host.process import WAIT_s, poll
from host.profile import profile


async def fields(page):
    return {one["name"]: one for one in (await page.json("/config"))["fields"]}


async def test_the_plan_says_who_decides_each_part(tmp_path, micropython):
    async with PageBench(tmp_path, config={"installation_mA": 20000}) as b:
        id = await b.charge()
        start = await b.now()
        tx = {0: 16, 3600: 32, 10800: 8}
        await b.set_profile(
            profile(4, "Tx", tx, startSchedule=start, duration=14400, transactionId=id), 1
        )
        await b.set_profile(profile(5, "Max", {0: 30, 7200: 10}, startSchedule=start), 0)
        await b.do("console outside 6 for 18000 by grid")
        await b.pilot(6000)

        async def parts():
            plan = await b.page.json("/plan/1")
            whose = [(by["source"], by.get("profile")) for by in plan["by"]]
            return [(dA / 10, *whose[i]) for _, dA, _, i in plan["periods"]]

        assert (await parts())[0] == (6, "Grid", None)
        await b.do("console outside off by grid")
        await b.pilot(16000)
        assert await parts() == [
            (16, "TxProfile", 4),
            (20, "Installation", None),
            (10, "ChargePointMaxProfile", 5),
            (8, "TxProfile", 4),
            (10, "ChargePointMaxProfile", 5),
        ]


async def test_what_a_car_needs(tmp_path, micropython):
    async with PageBench(tmp_path, speed=20) as b:
        page = b.page
        assert (await page.post("/needs", connector=1, words="20 kWh"))[0] == 401
        await page.sign_in()
        await b.charge()

        async def needs():
            (c,) = (await page.json("/state"))["report"]["connectors"]
            return c["tx"]["needs"]

        assert await needs() is None
        late = "20 kWh 2000-01-01T00:00:00Z"
        assert (await page.post("/needs", connector=1, words=late))[0] == 409
        status, said = await page.post("/needs", connector=1, words="20 kWh 07:30")
        assert status == 200, said
        told = await needs()
        assert 19000 < told["energy_Wh"] <= 20000 and told["until"].endswith("T07:30:00Z")
        page.cookie = ""
        assert await needs() is None, "when a car leaves is nobody's business"


async def test_config_json_by_the_page(tmp_path, micropython):
    secret = "of-the-wifi"
    config = {"max_mA": 20000, "wifi_password": secret, "ssid": "home"}
    config["networks"] = [{"ssid": "garage", "password": "the-other-one"}]
    token = {"page-token": "of-a-program"}
    async with PageBench(tmp_path, speed=20, config=config, **token) as b:
        page = b.page
        assert (await page.ask("GET", "/config"))[0] == 401
        assert (await page.post("/config", max_mA=10000))[0] == 401
        for origin, refused in ((None, 403), (f"http://{page.host}", 401)):
            more = {"Origin": origin, "Authorization": "Bearer of-a-program"}
            status, _, _ = await page.ask("POST", "/config", b'{"max_mA": 10000}', **more)
            assert status == refused, "a program cannot"
        await page.sign_in()
        there = await fields(page)
        script = (ROOT / "firmware/page/page.js").read_text()
        words = script.partition("const FIELDS = {")[2].partition("};")[0]
        assert sorted(re.findall(r"(\w+): \"", words)) == sorted(there), "each has its words"
        assert there["max_mA"] == {
            "name": "max_mA", "value": 20000, "set": True, "wants": "6000 to 80000"
        }  # fmt: skip
        assert there["voltage_V"]["value"] == 230 and not there["voltage_V"]["set"]
        for name in ("wifi_password", "page"):
            assert there[name]["value"] is None and there[name]["set"]
        assert there["networks"]["value"] == ["garage"]
        assert not any(text in json.dumps(there) for text in (secret, "the-other-one"))

        for values, why in (
            ({"max_mA": 5000}, "max_mA: 6000 to 80000 is expected"),
            ({"max_mA": "16000"}, "max_mA: a whole number is expected"),
            ({"max_mA": 16000.5}, "max_mA: a whole number is expected"),
            ({"nothing": 1}, "nothing: no such field"),
            ({"nothing": None}, "nothing: no such field"),
            ({"id": None}, "id: is missing"),
            ({"url": "http://x"}, "url: ws:// or wss://..., or a list of 1 to 4 is expected"),
            ({"url": "ws://x:99999/"}, "url: ws://x:99999/ is not ws://HOST:PORT/PATH"),
            ({"url": "wss://x/"}, "url: none for SecurityProfile 0"),
            ({"board": "none"}, "board: there is no none"),
            ({"connectors": 2}, "connectors: reference has 1"),
            ({"protocols": ["ocpp3"]}, "protocols: there are "),
            ({"ip": "192.168.1.7"}, "gateway: is missing"),
            ({"networks": [{"ssid": "x", "password": "short"}]}, "networks: up to 4"),
            ({"page": "short"}, "page: a password of 8 to 64 characters"),
            ({"page": None}, "page: a password of 8 to 64 characters"),
            ({"page": "\U0001f50c" * 33}, "page: a password of 8 to 64 characters, 128 bytes"),
            ({"networks": [{"ssid": []}]}, "networks: up to 4"),
            # (the Central System would end each connection that says it)
            ({"vendor": "\ud83d"}, "vendor: it has what cannot be seen"),
            ({"networks": [{"ssid": "a\n"}]}, "networks: it has what cannot be seen"),
            ({"board": "reference\0"}, "board: it has what cannot be seen"),
            ({"max_mA": 10000, "log": 9}, "log: 0 (errors) to 3 (debug) is expected"),
        ):
            status, said = await page.post("/config", **values)
            assert status == 400 and why in said["error"], (values, said)
        assert await fields(page) == there, "nothing of it was stored"
        assert (await page.post("/config", max_mA=20000))[1] == {"said": "nothing has changed"}
        await b.settled()


async def test_what_was_set_is_in_force_after_a_restart(tmp_path, micropython):
    config = {"installation_mA": 20000, "serial": "A1", "model": "Plug \U0001f50c"}
    async with PageBench(tmp_path, speed=20, config=config) as b:
        page = b.page
        await page.sign_in()
        networks = [{"ssid": "garage", "password": "the-other-one"}]
        ours = "Ours \U0001f50c"  # (which json.dumps escapes as a pair)
        values = {"max_mA": 10000, "vendor": ours, "serial": None, "networks": networks}
        status, said = await page.post("/config", **values, installation_mA=20000)
        assert status == 200
        assert said["said"] == "stored: max_mA, networks, serial, vendor; in force after a restart"
        assert (await fields(page))["max_mA"]["value"] == 10000
        networks = [{"ssid": "garage"}, {"ssid": "open"}]
        assert (await page.post("/config", networks=networks, page="another-word"))[0] == 200
        old, mark = b.st, len(b.process.output)
        assert (await page.post("/restart"))[0] == 200
        await b.again(old)
        boot = await b.st.expect("BootNotification", lambda p: p["chargePointVendor"] == ours)
        assert boot["chargePointSerialNumber"] != "A1"
        assert boot["chargePointModel"] == config["model"], "as it was written"
        await b.process.wait_output("page: http", since=mark)
        assert await page.post("/login", password=PASSWORD) == (
            401, {"error": "the password is wrong"}
        )  # fmt: skip

        async def again():
            return (await page.post("/login", password="another-word"))[0] == 200

        await poll(again, WAIT_s, "the pause is over")
        there = await fields(page)
        assert (there["max_mA"]["value"], there["serial"]["set"]) == (10000, False)
        assert there["networks"]["value"] == ["garage", "open"]
        await b.charge()
        await b.pilot(10000)


async def test_networks_are_rows(tmp_path, micropython, browser):
    """With the keyboard alone: one is added, one removed; what is not touched keeps its password,
    what gets another name does not."""
    names = ("home", "garage", "barn")
    config = {"networks": [{"ssid": name, "password": f"key-of-{name}"} for name in names]}
    async with PageBench(tmp_path, speed=20, config=config) as b:
        async with browser.open(f"http://127.0.0.1:{b.page.port}/", PHONE) as window:
            window.page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
            press = window.page.keyboard.press

            async def row(name, text):
                await window.tab_to(window.field(name))
                await window.type_in(text)

            await window.field("Password").fill(PASSWORD)
            await window.button("Sign in").click()
            await window.page.locator("summary").click()
            await window.shows("More Wi-Fi networks")
            assert "key-of" not in await window.page.content()
            await window.tab_to(window.button("Remove network 2"))
            await press("Enter")
            await row("Name of network 2", "shed")
            await press("Shift+Tab")  # (back to the first one's button)
            await window.tab_to(window.button("Add network"))
            await press("Enter")
            await window.page.keyboard.type("yard")
            await row("Password of network 3", "short")
            await press("Enter")
            invalid = "e => e.matches(':invalid')"
            assert await window.field("Password of network 3").evaluate(invalid)
            await window.type_in("of-the-yard")
            await window.field("Version of OCPP").select_option("1.6")
            await window.looks_right()
            await window.page.screenshot(path=ROOT / "build/page-form.png", full_page=True)
            await window.button("Store").click()
            await window.shows("stored: networks, protocols; in force after a restart")
        mark = len(b.process.output)
        await b.do("console >>> open('/config.json').read()")
        text = await b.process.wait_output('"networks"', since=mark)
        stored = json.loads(ast.literal_eval(text[text.index("'") :]))
        assert stored["networks"] == [
            {"ssid": "home", "password": "key-of-home"},
            {"ssid": "shed", "password": ""},
            {"ssid": "yard", "password": "of-the-yard"},
        ]
        assert stored["protocols"] == ["ocpp1.6"]


async def test_a_simulated_wall_has_no_more_connectors_than_it_began_with(tmp_path, micropython):
    """The unit may be told so: it runs, as one does where nobody has wired them."""
    async with PageBench(tmp_path, speed=20, config={"board": "wall"}) as b:
        await b.page.sign_in()
        assert (await b.page.post("/config", connectors=2))[0] == 200
        old, mark = b.st, len(b.process.output)
        await b.do("power-cut 1")
        await b.again(old)
        await b.process.wait_output("connector 2 is not on this wall", since=mark)
        await b.charge()
        await b.pilot(32000)
