"""network/wifi.py and join.py on the simulated radio: networks that come and go, and what a person
is told where one cannot be joined."""

import asyncio
import sys

sys.path.insert(1, "tools/sim/esp32")  # (not before: asyncio needs the host's time)
import bus

from firmware import config

# Ten minutes would be long: simulated time passes with each sleep, and only then.
bus.now_ms = lambda: ms
ms = 0
_real_sleep_ms = asyncio.sleep_ms


async def _sleep_ms(t):
    global ms
    ms += t
    assert ms < 3600000, "an hour has passed"
    await _real_sleep_ms(0)


asyncio.sleep_ms = _sleep_ms

import time

time.ticks_ms = lambda: ms

import network

import firmware.network
from firmware.network import wifi

OFF, LOCKED, MUTE, GOOD = 201, 202, 1, 0
air = {}  # what the wall says of a network; OFF unless it is here


def ask(op, pin=0, value=0, payload=b""):
    assert op == bus.WIFI
    return air.get(payload.decode(), OFF), 0, 0, b""


bus.ask = ask


def a_unit(*networks, **more):
    values = {"url": "ws://x", "id": "CP-1"}
    values["networks"] = [{"ssid": name, "password": "pppppppp"} for name in networks]
    values.update(more)
    wifi.config = config.check(values)


class Dns:
    """dns.py: who is asked."""

    EVERYONE = "everyone"

    async def resolve(self, host, servers):
        return servers


async def asked(host="csms"):
    """Who is asked for a host."""
    sys.modules["firmware.network.dns"] = firmware.network.dns = Dns()
    return await wifi.resolve(host)


async def joined(at=None, **changes):
    """Join; -> the log. `at`: ms after which air gets `changes`."""
    said = []
    began = ms
    task = asyncio.create_task(wifi.join(said.append))
    while not task.done():
        if at is not None and ms - began >= at:
            air.update(changes)
        await _real_sleep_ms(0)
    await task
    assert wifi.up()
    assert "firmware.network.join" not in sys.modules
    return said


async def test_a_unit_without_wifi_is_in_its_network():
    a_unit()
    assert wifi.up()
    assert not network.WLAN().active()


async def test_joining():
    air["home"] = GOOD
    a_unit("home", country="DE", hostname="wallbox")
    assert not wifi.up()
    network.WLAN().active(True)  # (as start.py does)
    assert await joined() == ["Wi-Fi home: address 127.0.0.1, -60 dBm"]
    assert network.said == ["DE", "wallbox"]
    assert network.WLAN()._reconnects == -1  # the chip goes on by itself from here
    assert await asked() == ["127.0.0.1"]


async def test_the_chips_own_country():
    air["home"] = GOOD
    a_unit("home")
    await joined()
    assert network.said == ["CP-1"]


async def test_what_is_wrong():
    """Each reason is told once an outage, whatever the number of tries."""
    for state, text in (
        (OFF, "it is not there: name as in config.json? 2.4 GHz? near enough?"),
        (LOCKED, "its password is refused: see wifi_password or networks in config.json"),
        (2, "its password is refused: see wifi_password or networks in config.json"),
        (15, "its password is refused: see wifi_password or networks in config.json"),
        (203, "it takes no more stations"),
        (211, "it wants another security than WPA2 or WPA3 with a password"),
        (39, "not joined, status 39"),
        (MUTE, "it gives no address (DHCP): restart the router, or give ip in config.json"),
    ):
        network.WLAN().active(False)
        air["home"] = state
        a_unit("home")
        said = await joined(300000, home=GOOD)
        assert said == ["Wi-Fi home: " + text, "Wi-Fi home: address 127.0.0.1, -60 dBm"], said


async def test_the_reason_of_the_network_before_is_not_this_ones():
    """The chip keeps a reason until it has an address."""
    network.WLAN().active(False)
    air.update({"home": LOCKED, "garage": GOOD})
    a_unit("home", "garage")
    said = await joined()
    assert [line.split(":")[0] for line in said] == ["Wi-Fi home", "Wi-Fi garage"]
    assert "password" in said[0] and "address" in said[1]


async def test_a_missing_network_does_not_hide_one_that_is_slow():
    """A reason of before connect() counts for nothing, whichever way the chip has it."""
    for network.posts in (True, False):
        network.WLAN().active(False)
        air.clear()
        air["garage"] = GOOD
        network.takes_ms["garage"] = 12000
        a_unit("home", "garage")
        said = await joined()
        assert [line.split(":")[0] for line in said] == ["Wi-Fi home", "Wi-Fi garage"], said
        assert "not there" in said[0] and "address" in said[1], said
    network.takes_ms.clear()


async def test_a_router_that_comes_back_late():
    """Where the attempts left their reasons, and where they did not."""
    for network.posts in (True, False):
        for away_ms in (90000, 600000):
            network.WLAN().active(False)
            air["home"] = GOOD
            a_unit("home", "garage")
            await joined()
            air["home"] = OFF
            assert not wifi.up()
            began = ms
            said = await joined(away_ms, home=GOOD)
            assert said[-1].startswith("Wi-Fi home: address"), said
            assert ms - began < away_ms + 60000, ms - began


async def after_ms(t, wlan):
    await asyncio.sleep_ms(t)
    return wlan.status()


async def test_the_status_of_the_simulated_chip():
    """As the port's C has it: some reasons are there from the first failure on, and stay until
    there is an address; the others come when the chip gives up."""
    wlan = network.WLAN()
    for network.posts, left in ((False, 202), (True, 1000)):
        for reason, shown in (
            (201, 201),
            (202, 202),
            (205, 202),
            (210, 210),
            (211, 211),
            (212, 212),
        ):
            wlan.begin()
            wlan.active(True)
            air["home"] = reason
            wlan.connect("home", "pppppppp")
            assert wlan.status() == 1001
            for _ in range(9):  # (for ever)
                assert await after_ms(2000, wlan) == shown and not wlan.isconnected()
            air["home"] = GOOD
            assert await after_ms(1000, wlan) == shown
            assert await after_ms(1000, wlan) == 1010
        air["home"] = 205
        assert wlan.status() == 1001  # lost (200), and tried again by the chip
        assert await after_ms(2000, wlan) == 202
        wlan.disconnect()
        assert wlan.status() == left
        wlan.active(False)
        wlan.active(True)
        assert wlan.status() == left
        wlan.config(reconnects=2)
        air["home"] = 15
        wlan.connect("home", "pppppppp")
        for shown in (1001, 1001, 15):
            assert await after_ms(2000, wlan) == shown
        wlan.disconnect()
        assert wlan.status() == 15  # (not an attempt that could be left)
    network.posts = False


async def test_a_password_that_is_refused_behind_the_reason_of_before():
    """The one that is told is this network's: it has four seconds at least to have one."""
    for network.posts in (True, False):
        for reason, text in ((202, "its password"), (15, "its password"), (212, "it is too far")):
            network.WLAN().begin()
            network.takes_ms["garage"] = 4000
            air.update({"home": OFF, "garage": reason, "office": GOOD})
            a_unit("home", "garage", "office")
            said = await joined()
            assert "not there" in said[0] and text in said[1] and "office" in said[2], said
    network.takes_ms.clear()


async def test_the_doctor_tells_them_apart():
    """Each network by its own reason, also where the one of the network before stands there."""

    def pass_ms(t):
        global ms
        ms += t

    time.sleep_ms = pass_ms
    with open("tools/host/doctor_outside.py") as f:
        code = f.read().split('WIFI = """')[1].split('"""')[0].replace("print(", "told = (")
    for network.posts in (True, False):
        for first, second in ((OFF, 205), (LOCKED, OFF), (OFF, 15), (212, LOCKED)):
            network.WLAN().begin()
            network.takes_ms["garage"] = 5000 if second == 15 else 8000
            air.update({"home": first, "garage": second})
            names = [("home", "pppppppp"), ("garage", "pppppppp")]
            space = {}
            exec(code % (names, (), 20000, 7000), space)
            told = [one[1] for one in space["told"][0]]
            wanted = [LOCKED if reason == 205 else reason for reason in (first, second)]
            assert told == wanted, (told, wanted)
    network.takes_ms.clear()


async def test_no_memory_for_the_radio():
    network.WLAN.radio, network.free = None, lambda: 40000
    a_unit("home")
    try:
        wifi.up()
        raise AssertionError("it is up")
    except OSError as e:
        assert str(e) == "WiFi Out of Memory"
    finally:
        network.free = lambda: 41000
    assert not wifi.up()


async def test_one_failure_of_many_is_no_reason():
    """A network that is there at the chip's second try is joined: nobody hears of the first."""
    network.WLAN().active(False)
    air["home"] = 2
    a_unit("home")
    assert await joined(3000, home=GOOD) == ["Wi-Fi home: address 127.0.0.1, -60 dBm"]


async def test_the_chip_refuses():
    a_unit("home")
    connect = network.WLAN.connect

    def refuse(self, ssid, key):
        if ms < 60000:
            raise OSError("Wifi Internal Error")
        connect(self, ssid, key)

    network.WLAN.connect = refuse
    air["home"] = GOOD
    said = await joined()
    assert said[0] == "Wi-Fi home: Wifi Internal Error" and len(said) == 2


async def test_a_static_address():
    """It needs no DHCP."""
    air["home"] = MUTE
    a_unit("home", ip="10.0.0.9", gateway="10.0.0.1", dns="10.0.0.53:5300")
    assert await joined() == ["Wi-Fi home: address 10.0.0.9, -60 dBm"]
    assert network.WLAN().ifconfig() == ("10.0.0.9", "255.255.255.0", "10.0.0.1", "10.0.0.53")
    assert await asked() == ["10.0.0.53:5300"]


async def test_the_second_network():
    air["garage"] = GOOD
    a_unit("home", "garage", "office")
    said = await joined()
    assert [line.split(":")[0] for line in said] == ["Wi-Fi home", "Wi-Fi garage"]
    assert network.WLAN().config("ssid") == "garage"


async def test_ssid_comes_first():
    air.update({"garage": GOOD, "home": GOOD})
    a_unit("garage", ssid="home", wifi_password="qqqqqqqq")
    assert await joined() == ["Wi-Fi home: address 127.0.0.1, -60 dBm"]


async def test_the_network_is_gone_for_a_moment():
    """The chip comes back by itself, without being told."""
    air["home"] = GOOD
    a_unit("home")
    await joined()
    air["home"] = OFF
    assert not wifi.up()
    network.WLAN.connect = None
    said = await joined(9000, home=GOOD)
    assert said == ["Wi-Fi: lost", "Wi-Fi home: address 127.0.0.1, -60 dBm"]


async def test_the_network_is_gone_for_good():
    """The next one is tried, and stays, also when the first comes back."""
    air.update({"home": GOOD, "garage": GOOD})
    a_unit("home", "garage")
    await joined()
    air["home"] = OFF
    assert not wifi.up()
    said = await joined()
    assert said[0] == "Wi-Fi: lost" and said[1].startswith("Wi-Fi home: it is not there")
    assert said[2] == "Wi-Fi garage: address 127.0.0.1, -60 dBm" and len(said) == 3
    air["home"] = GOOD
    assert wifi.up()
    air["garage"] = OFF
    assert not wifi.up()
    assert (await joined())[1:] == ["Wi-Fi home: address 127.0.0.1, -60 dBm"]


async def test_a_radio_that_hangs_is_switched_off_and_on():
    air["home"] = GOOD
    look, off = network.WLAN.look, network.WLAN.off
    again = []

    def hang(self):
        if again:
            return look(self)
        self._reason = 15

    def switch_off(self):
        again.append(ms)
        off(self)

    network.WLAN()
    network.WLAN.look, network.WLAN.off = hang, switch_off
    a_unit("home")
    said = await joined()
    assert len(again) == 1 and said[-1].startswith("Wi-Fi home: address")


async def test_no_name_server():
    a_unit()
    network.dns = "0.0.0.0"
    assert await asked() == []
    assert await asked("Csms.LOCAL.") == ["everyone"]
