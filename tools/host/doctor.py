"""make doctor: looks at a board from outside and says, line by line, what is right and what to do.

    python -m host.doctor PORT

The board restarts in maintenance mode for it (contactors open, nothing charges) and again at the
end. ok: right. note: worth knowing. BAD: has to be mended; then the exit code is 1.
"""

import base64
import importlib
import os
import sys
from datetime import datetime, timezone
from urllib.parse import quote, urlsplit

from host import deploy, unit_config
from host.build import ROOT, BuildError, build
from host.port import Port, front

FILES_HEAP = 130 << 10  # what the code takes from files (docs/flashing.md)
TLS_HEAP = 45 << 10  # of the ESP-IDF's: buffers of 16 + 4 KB and the handshake
JOURNAL = 256 << 10  # of flash: what the firmware keeps for its journal
BLOCK = 4096  # of flash: a file takes whole ones, a folder two
CLOCK_s = 120
WIFI_s = 20
WIFI_SURE_s = 7
# What the chip says of a network, as firmware/network/join.py reads it.
PASSWORD = (2, 15, 202, 204)
SECURITY = (210, 211)
REACH_s = 90  # without a byte: the board asks the DNS, connects, shakes hands

CHIP = """
import gc, os, sys
gc.collect()
try:
    import esp32
    idf = [r[1:3] for r in esp32.idf_heap_info(esp32.HEAP_DATA)]
except Exception:
    idf = []
try:
    part = [p.info()[2:4] for p in esp32.Partition.find(esp32.Partition.TYPE_DATA, label="vfs")]
except Exception:
    part = []
v = os.statvfs("/")
print((getattr(sys.implementation, "_machine", sys.platform), gc.mem_free(), idf,
    v[0] * v[2], v[0] * v[3], part, len([n for n in os.listdir("/") if n in ("a", "b")])))
"""
# -> the newest line of the record, the newest one about a slot that was given up
CRASH = """
first = back = ""
try:
    with open("/crash") as f:
        for line in f:
            line = line.strip()
            first = first or line
            if line.startswith("slot "):
                back = line
                break
except OSError:
    pass
print((first, back))
"""
CLOCK = "import machine; print(tuple(machine.RTC().datetime()))"
SENSE = """
import machine
adc = machine.ADC(machine.Pin(%d), atten=machine.ADC.ATTN_11DB)
print(max([adc.read_uv() for i in range(1000)]))
"""
# -> [(ssid, status, associated, address or "")] of those tried, {ssid: dBm} in sight. The chip has
# a reason from the first failure on, and keeps it, also for the next network, until there is one.
WIFI = """
import network, time
def tried(w, ssid, password, address, wait_ms, sure_ms):
    w.disconnect()
    w.config(reconnects=2)
    if address:
        w.ifconfig(address)
    w.connect(ssid, password)
    began, there = time.ticks_ms(), False
    while not w.isconnected():
        passed = time.ticks_diff(time.ticks_ms(), began)
        try:
            w.status("rssi")
            there = True
        except OSError:
            there = False
        failed = passed > sure_ms and not there and w.status() not in (1000, 1001, 8)
        if failed or passed > wait_ms:
            return ssid, w.status(), there, ""
        time.sleep_ms(100)
    return ssid, 1010, True, w.ifconfig()[0]
def join(networks, address, wait_ms, sure_ms):
    w = network.WLAN(network.WLAN.IF_STA)
    w.active(True)
    told = []
    for ssid, password in networks:
        told.append(tried(w, ssid, password, address, wait_ms, sure_ms))
        if told[-1][3]:
            return told, {}
    w.disconnect()
    try:
        return told, {n[0].decode(): n[3] for n in w.scan()}
    except Exception:
        return told, {}
print(join(%r, %r, %r, %r))
"""
# -> (how far it came, what was said)
REACH = """
import socket
def reach(host, port, profile, request):
    try:
        address = socket.getaddrinfo(host, port)[0][-1]
    except OSError as e:
        return "dns", repr(e)
    s = socket.socket()
    try:
        s.settimeout(10)
        s.connect(address)
    except OSError as e:
        return "tcp", repr(e)
    try:
        if profile > 1:
            from firmware.ocpp import security
            try:
                context = security.load(profile)
            except (OSError, ValueError) as e:
                return "certs", str(e)
            s = context.wrap_socket(s, server_hostname=host)
    except Exception as e:
        return "tls", repr(e)
    try:
        s.write(request)
        return "http", s.read(12)
    except OSError as e:
        return "http", repr(e)
    finally:
        s.close()
print(reach(%r, %r, %r, %r))
"""
KEY = """
import json
try:
    with open("/ocpp.json") as f:
        print(repr(json.load(f).get("AuthorizationKey", "")))
except (OSError, ValueError):
    print(repr(""))
"""
HTTP = {
    b"401": "it refuses the password: make config KEY=..., or the station's key there",
    b"403": "it does not let this station in: is the id known there?",
    b"404": "it knows no such path: url in config.json, or the id",
}


def slot_size():
    """Bytes of flash that the build takes in a slot."""
    tree = build()
    names = deploy.local_hashes(tree)[0]
    blocks = sum(-(-(tree / name).stat().st_size // BLOCK) for name in names)
    return (blocks + 2 * len(deploy.folders(names))) * BLOCK


class Doctor:
    """`bad` counts what has to be mended."""

    def __init__(self, port, say=print):
        self.port = port
        self.say = say
        self.bad = 0
        self.config = {}

    def ok(self, text):
        self.say("ok    " + text)

    def note(self, text):
        self.say("note  " + text)

    def wrong(self, text):
        self.bad += 1
        self.say("BAD   " + text)

    def run(self):
        """Look at everything; -> how much is bad. PortError if the board does not answer."""
        with self.port.borrowed():
            version, ours, words = self.port.ask(deploy.STATE)[:3]
            if ours:
                deploy.maintain(self.port)
            self.micropython(version)
            self.code(ours, words)
            self.configured()
            if self.config:
                self.board(ours)
                self.clock()
                if self.wifi():
                    self.central_system()
        return self.bad

    def micropython(self, version):
        machine, free, idf, size, left, vfs, slots = self.port.ask(CHIP)
        self.machine = machine
        text = f"MicroPython {'.'.join(map(str, version))} on {machine}"
        if version < deploy.OLDEST:
            self.wrong(text + ": 1.26.1 or newer is needed: make micropython")
        else:
            self.ok(text)
        where = "".join(f" at {at:#x}, {length} B" for at, length in vfs)
        text = f"flash: {left >> 10} KB of {size >> 10} are free{where}"
        least = JOURNAL + (2 - slots) * slot_size()
        if left < least:
            self.wrong(
                f"{text}, {least >> 10} KB are needed: .venv/bin/mpremote rm what is not this "
                "unit's"
            )
        else:
            self.ok(text)
        self.heap = free + sum(region[0] for region in idf)
        self.ok(f"heap: {free >> 10} KB free" + (
            f", and {sum(r[0] for r in idf) >> 10} KB of the ESP-IDF's, at most "
            f"{max(r[1] for r in idf) >> 10} KB in one piece" if idf else ""))  # fmt: skip
        if idf and max(region[1] for region in idf) < TLS_HEAP:
            self.note("wss:// may find too little of the ESP-IDF's heap in one piece")

    def code(self, ours, words):
        if not ours:
            self.wrong("there is no firmware on the board, or it is broken: make deploy")
            return
        slot = words[0] if words else "rom"
        text = f"firmware: slot {slot}"
        if slot in ("a", "b"):
            wanted, plain = deploy.local_hashes(build())
            there = deploy.board_hashes(self.port, "/" + slot)
            other = {k for k in {*wanted, *there} if wanted.get(k) != there.get(k)}
            other |= set(deploy.plain_differ(self.port, plain))
            same = f"{len(other)} files are not those of this build" if other else "this build"
            (self.note if other else self.ok)(f"{text}, {same}")
            if self.heap < FILES_HEAP + TLS_HEAP:
                self.note("from files the code takes 130 KB of heap: see docs/flashing.md, ROMFS")
        else:
            self.ok(text + " (a ROMFS image)")
        if words[2:]:
            self.note(
                f"slot {slot} is on trial: {words[2]} more starts may fail, then it is slot "
                f"{words[1]} again. A Central System that accepts it ends the trial, or five "
                "minutes of running; what make does with the board counts nothing"
            )
        crash, back = self.port.ask(CRASH)
        if back and back.split()[1] != slot:
            self.note(back)
        if crash and crash != back:
            self.note("the last crash: " + crash)

    def configured(self):
        values = unit_config.read(self.port)
        if not values:
            self.wrong("config.json: there is none: make config")
            return
        try:
            unit_config.check(values)
        except unit_config.ConfigError as e:
            self.wrong(f"{e}: make config")
            return
        self.config = values
        self.ok(f"config.json: {values['id']} on board {self.board_name()}")

    def board_name(self):
        return self.config.get("board", "reference")

    def board(self, ours):
        """Is it the chip of the board's map, and does the pilot show what it should?"""
        if str(ROOT) not in sys.path:
            sys.path.append(str(ROOT))
        board = importlib.import_module("firmware.boards." + self.board_name())
        if "ESP32" in self.machine:
            chip = self.machine.rpartition("with ")[2].replace("-", "")
            if chip != board.CHIP:
                self.wrong(f"board {self.board_name()} has an {board.CHIP}, this is an {chip}")
        else:
            self.note("no ESP32: a virtual board")
        if not ours:
            return  # nobody has set the outputs
        if not hasattr(board, "SENSE_PER_V_uV"):
            self.note("pilot: this board's sense cannot be read from here")
            return
        for number, pins in enumerate(board.CONNECTORS[: self.config.get("connectors", 1)], 1):
            uv = self.port.ask(SENSE % pins["sense"])
            mV = (uv - board.SENSE_ZERO_uV) * 1000 // board.SENSE_PER_V_uV
            text = f"pilot of connector {number}: {mV / 1000:.1f} V"
            if 11000 <= mV <= 13000:
                self.ok(text + ": no car, as it should be at +12 V")
            elif 8000 <= mV < 11000 or 5000 <= mV < 7000:
                self.note(text + ": a car is plugged in")
            else:
                self.wrong(text + ": 12 V are expected: wiring, supply or calibration of the "
                    "driver (docs/hardware.md)")  # fmt: skip

    def clock(self):
        y, mo, d, _, h, mi, s, _ = self.port.ask(CLOCK)
        try:
            there = datetime(y, mo, d, h, mi, s, tzinfo=timezone.utc)
            wrong_s = abs((there - datetime.now(timezone.utc)).total_seconds())
        except ValueError:
            wrong_s = CLOCK_s + 1
        text = f"clock: {y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02} UTC"
        if wrong_s <= CLOCK_s:
            self.ok(text)
        else:
            self.note(text + ": not set; the Central System sets it")

    def wifi(self):
        """-> True if there is a network"""
        config = self.config
        networks = (
            [(config["ssid"], config.get("wifi_password", ""))] if config.get("ssid") else []
        )
        networks += [(n["ssid"], n.get("password", "")) for n in config.get("networks", ())]
        if not networks:
            self.note("Wi-Fi: no ssid in config.json: the network has to be there already")
            return True
        address = ()
        if config.get("ip"):
            gateway, mask = config["gateway"], config.get("netmask", "255.255.255.0")
            address = (config["ip"], mask, gateway, config.get("dns") or gateway)
        silent_s = 2 * WIFI_s + WIFI_s * len(networks)
        code = WIFI % (networks, address, WIFI_s * 1000, WIFI_SURE_s * 1000)
        told, seen = self.port.ask(code, silent_s)
        if told[-1][3]:
            self.ok(f"Wi-Fi: {told[-1][0]}, address {told[-1][3]}")
            return True
        for ssid, status, there, _ in told:
            dBm = f" ({seen[ssid]} dBm)" if ssid in seen else ""
            if there:
                why = "it gives no address (DHCP): restart the router, or ip in config.json"
            elif status in PASSWORD:
                why = f"it refuses the password{dBm}: make config WIFI_PASSWORD=..."
            elif status in SECURITY:
                why = f"it wants another security than WPA2 or WPA3 with a password{dBm}"
            elif dBm:
                why = f"it is there{dBm} and does not let it in: nearer, or another channel?"
            else:
                why = "it is not in sight (2.4 GHz only): is the name right, the antenna free?"
            self.wrong(f"Wi-Fi: {ssid} not joined, status {status}: {why}")
        return False

    def central_system(self):
        urls = self.config["url"]
        for url in [urls] if isinstance(urls, str) else urls:
            self.reach(url)

    def reach(self, url):
        parts = urlsplit(url)
        tls = parts.scheme == "wss"
        number = parts.port or (443 if tls else 80)
        profile = max(self.config.get("security_profile", 0), 2) if tls else 0
        far, said = self.port.ask(
            REACH % (parts.hostname, number, profile, self.request(parts, profile)), REACH_s
        )
        where = f"Central System {parts.hostname}:{number}"
        if far == "dns":
            self.wrong(f"{where}: the name is not known ({said}): url in config.json, or the DNS")
        elif far == "tcp":
            self.wrong(f"{where}: no connection ({said}): does it run, is a firewall between?")
        elif far == "certs":
            self.wrong(f"{where}: {said}")
        elif far == "tls":
            self.wrong(f"{where}: no TLS ({said}): port, certificate, or a clock that is not set")
        elif isinstance(said, bytes) and said[9:12] == b"101":
            self.ok(f"{where}: it takes {self.config['id']}")
        else:
            code = said[9:12] if isinstance(said, bytes) else b""
            why = HTTP.get(code, "is that an OCPP 1.6J Central System?")
            self.wrong(f"{where}: answers {said!r}: {why}")

    def request(self, parts, profile):
        """What a station asks for first."""
        path = parts.path.rstrip("/") + "/" + quote(self.config["id"], safe="")
        key = self.port.ask(KEY) or self.config.get("password", "")
        text = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: cGlsb3R3aXJlLWRvY3Rvcg==\r\nSec-WebSocket-Protocol: ocpp1.6\r\n"
        )
        if key and profile < 3:
            pair = base64.b64encode(f"{self.config['id']}:{key}".encode()).decode()
            text += f"Authorization: Basic {pair}\r\n"
        return (text + "\r\n").encode()


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("PORT", "")
    bad = Doctor(Port(name)).run()
    print(f"{bad} to mend; the board restarts" if bad else "nothing is wrong; the board restarts")
    return bool(bad)


if __name__ == "__main__":
    front("doctor", main, BuildError)
