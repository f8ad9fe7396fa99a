"""Wi-Fi that comes and goes, and the time without a Central System."""

import asyncio
import struct
from datetime import datetime, timedelta, timezone

from station_driver import TAG

from host.csms import parse_time
from host.process import WAIT_s, poll

SINCE_1900 = 2208988800  # of 1970, in seconds (RFC 868)
OFFLINE = {"plug_and_charge": TAG}


class Udp(asyncio.DatagramProtocol):
    """A server on 127.0.0.1: `async with Udp(answer) as s`; answer(packet) -> packet or None."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []

    async def __aenter__(self):
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        self.name = f"127.0.0.1:{self.transport.get_extra_info('sockname')[1]}"
        return self

    async def __aexit__(self, *_):
        self.transport.close()

    def datagram_received(self, data, peer):
        self.asked.append(data)
        answer = self.answer(data)
        if answer:
            self.transport.sendto(answer, peer)


def ntp(packet, stratum=2):
    """The right time (RFC 4330); of stratum 0 it is none."""
    seconds = int(datetime.now(timezone.utc).timestamp()) + SINCE_1900
    stamp = struct.pack(">II", seconds & 0xFFFFFFFF, 0)
    return bytes((0x24, stratum, 6, 0xEC)) + bytes(12) + stamp + packet[40:] + stamp + stamp


async def test_wifi_that_is_lost(bench):
    """The next network is joined, the station says why, and the charger talks on. After a power
    cut it does not matter that the first one refuses its password by now."""
    networks = [{"ssid": "garage", "password": "pppppppp"}, {"ssid": "office"}]
    config = {"ssid": "home", "wifi_password": "qqqqqqqq", "networks": networks}
    async with bench(config=config) as b:
        await b.process.wait_output("Wi-Fi home: address 127.0.0.1")
        await b.do("wifi home off")
        await b.process.wait_output("Wi-Fi: lost")
        await b.process.wait_output("Wi-Fi home: it is not there")
        await b.process.wait_output("Wi-Fi garage: address 127.0.0.1")
        await b.settled()
        await b.do("wifi home locked")
        await b.do("wifi garage no-dhcp")
        since = len(b.process.output)
        await b.cut(5)
        said = [line.split(" ", 2)[2] for line in b.process.output[since:] if "Wi-Fi" in line]
        assert [" ".join(line.split()[:4]) for line in said] == [
            "Wi-Fi home: its password",
            "Wi-Fi garage: it gives",
            "Wi-Fi office: address 127.0.0.1,",
        ]
        answer = await b.process.command("wifi home up")
        assert answer == {"error": "wifi SSID on|off|locked|no-dhcp|REASON"}


async def clock(b):
    return parse_time((await b.process.state())["t"])


def since_2000(t):
    """`t` is what a clock shows that was never set."""
    return t < datetime(2001, 1, 1, tzinfo=timezone.utc)


async def cut_without_central_system(b):
    """The power fails, and the Central System is away when it returns."""
    before = b.st
    await b.cs.stop()
    since = len(b.process.output)
    await b.do("power-cut 30")
    await b.process.wait_output("Pilotwire", since=since)
    return before


async def charging(b):
    return await b.process.until(lambda c: c["status"] == "Charging")


async def test_time_from_an_ntp_server(bench):
    """No Central System: after two minutes the NTP server is asked, and asked again until it
    knows. Then times are right."""

    def answer(packet):
        if len(server.asked) == 1:
            return None
        return ntp(packet, 0 if len(server.asked) == 2 else 2)

    async with Udp(answer) as server:
        config = {"ntp": server.name, **OFFLINE}
        async with bench(config=config, speed=100) as b:
            await b.key("AllowOfflineTxForUnknownId", "true")
            assert server.asked == []
            before = await cut_without_central_system(b)
            at = await clock(b)
            assert since_2000(at)
            await b.do("plug")
            await charging(b)
            since = len(b.process.output)
            await b.process.wait_output(f"NTP: {server.name} knows no time")
            assert since_2000(await clock(b)) and await clock(b) - at >= timedelta(seconds=90)
            await b.process.wait_output("clock moved by", since=since)
            assert len(server.asked) == 3
            now = await clock(b)
            assert not since_2000(now)
            mark = before.mark()
            await b.cs.start()
            b.st = await b.cs.wait_station("CP1", WAIT_s, after=before)
            start = await b.st.expect("StartTransaction", None, WAIT_s, mark)
            assert timedelta(seconds=600) <= now - parse_time(start["timestamp"])
            assert now - parse_time(start["timestamp"]) <= timedelta(seconds=6000)


def address(packet):
    """What a DNS server says: 127.0.0.1, whatever the name is."""
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"
    return packet[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + packet[12:] + record


async def test_the_central_system_by_its_name(bench):
    """The host of the URL is looked up. A DNS server that has died keeps neither the pilot waiting
    nor the station from where the Central System was last."""
    dead = []
    async with Udp(lambda packet: None if dead else address(packet)) as server:
        b = bench(config={"dns": server.name})
        launch = b.launch
        b.launch = lambda: launch(url=b.cs.url.replace("127.0.0.1", "csms.example"))
        async with b:
            assert b"\4csms\7example\0" in server.asked[0]
            dead.append(1)
            since = len(server.asked)
            before = b.st
            await before.drop()
            await poll(lambda: len(server.asked) > since, WAIT_s, "a question")
            mark = before.mark()
            await b.do("plug")
            await b.process.until(lambda c: c["cp"] == "B")  # the look-up takes 5 s
            assert not (await b.process.state())["online"]
            b.st = await b.cs.wait_station("CP1", WAIT_s, after=before)
            await b.status("Preparing", since=mark)
