"""make doctor: the board's network, and whether the Central System takes this station."""

import base64
from urllib.parse import quote, urlsplit

from host.csms.languages import LANGUAGES

WIFI_s = 20
WIFI_SURE_s = 7
# What the chip says of a network, as firmware/network/join.py reads it.
PASSWORD = (2, 15, 202, 204)
SECURITY = (210, 211)
REACH_s = 90  # without a byte: the board asks the DNS, connects, shakes hands

# -> [(ssid, status, associated, address or "")] of those tried, {ssid: dBm} in sight. The chip has
# a reason from the first failure on, and keeps it, also for the next network, until there is one:
# for a reason that was there before, all the time is waited.
WIFI = """
import network, time
def tried(w, ssid, password, address, wait_ms, sure_ms):
    w.disconnect()
    w.config(reconnects=2)
    if address:
        w.ifconfig(address)
    before = w.status()
    w.connect(ssid, password)
    began, there = time.ticks_ms(), False
    while not w.isconnected():
        passed = time.ticks_diff(time.ticks_ms(), began)
        try:
            w.status("rssi")
            there = True
        except OSError:
            there = False
        failed = passed > sure_ms and not there and w.status() not in (1000, 1001, before)
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


class Outside:
    """What a Doctor finds beyond the board, which it asks for it."""

    def __init__(self, doctor):
        self.doctor = doctor
        self.config = doctor.config

    def wifi(self):
        """-> True if there is a network"""
        config = self.config
        networks = (
            [(config["ssid"], config.get("wifi_password", ""))] if config.get("ssid") else []
        )
        networks += [(n["ssid"], n.get("password", "")) for n in config.get("networks", ())]
        if not networks:
            self.doctor.note("Wi-Fi: no ssid in config.json: the network has to be there already")
            return True
        address = ()
        if config.get("ip"):
            gateway, mask = config["gateway"], config.get("netmask", "255.255.255.0")
            address = (config["ip"], mask, gateway, config.get("dns") or gateway)
        silent_s = 2 * WIFI_s + WIFI_s * len(networks)
        code = WIFI % (networks, address, WIFI_s * 1000, WIFI_SURE_s * 1000)
        told, seen = self.doctor.port.ask(code, silent_s)
        if told[-1][3]:
            self.doctor.ok(f"Wi-Fi: {told[-1][0]}, address {told[-1][3]}")
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
                why = f"it is there{dBm} and does not let it in: password, distance, channel?"
            else:
                why = "it is not in sight (2.4 GHz only): is the name right, the antenna free?"
            self.doctor.wrong(f"Wi-Fi: {ssid} not joined, status {status}: {why}")
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
        far, said = self.doctor.port.ask(
            REACH % (parts.hostname, number, profile, self.request(parts, profile)), REACH_s
        )
        where = f"Central System {parts.hostname}:{number}"
        if far == "dns":
            self.doctor.wrong(
                f"{where}: the name is not known ({said}): url in config.json, or the DNS"
            )
        elif far == "tcp":
            self.doctor.wrong(
                f"{where}: no connection ({said}): does it run, is a firewall between?"
            )
        elif far == "certs":
            self.doctor.wrong(f"{where}: {said}")
        elif far == "tls":
            self.doctor.wrong(
                f"{where}: no TLS ({said}): port, certificate, or a clock that is not set"
            )
        elif isinstance(said, bytes) and said[9:12] == b"101":
            self.doctor.ok(f"{where}: it takes {self.config['id']}")
        else:
            code = said[9:12] if isinstance(said, bytes) else b""
            why = HTTP.get(code, "is that a Central System for OCPP 1.6 or 2.0.1?")
            self.doctor.wrong(f"{where}: answers {said!r}: {why}")

    def request(self, parts, profile):
        """What a station asks for first."""
        path = parts.path.rstrip("/") + "/" + quote(self.config["id"], safe="")
        key = self.doctor.port.ask(KEY) or self.config.get("password", "")
        text = (
            f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: cGlsb3R3aXJlLWRvY3Rvcg==\r\n"
            f"Sec-WebSocket-Protocol: {', '.join(self.config.get('protocols') or LANGUAGES)}\r\n"
        )
        if key and profile < 3:
            pair = base64.b64encode(f"{self.config['id']}:{key}".encode()).decode()
            text += f"Authorization: Basic {pair}\r\n"
        return (text + "\r\n").encode()
