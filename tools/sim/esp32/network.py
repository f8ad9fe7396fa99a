# Wi-Fi as the chip has it. Which networks there are the wall says (command `wifi` of
# tools/station); what the sockets use is the host's own network, always.

import time
from micropython import const

import bus

AP_IF, STA_IF = 1, 0

dns = "127.0.0.1"  # the network's DNS server; a simulated one has a port of its own: "...:5300"
posts = False  # disconnect() during an attempt leaves its reason: nobody knows, both must do
takes_ms = {}  # what an attempt takes at a network, where it is not _JOIN_ms
said = []  # country and name, as they were set before the radio was switched on

_JOIN_ms = const(2000)  # what each attempt takes
_LEFT = const(8)  # the reason that disconnect() itself leaves
_SILENT = const(200)  # and a network that has gone
_MUTE = const(1)  # of the wall: a network without DHCP; 0: a good one; else the reason why not


def country(code):
    said.append(code)


hostname = country


class WLAN:
    IF_STA, IF_AP = 0, 1
    PM_NONE = 0
    radio = None

    def __new__(cls, interface=0):
        # One radio, however often it is asked for.
        if cls.radio is None:
            cls.radio = object.__new__(cls)
            cls.radio.off()
        return cls.radio

    def off(self):
        self._active = self._joined = False
        self._ssid = self._address = None
        self._reconnects = self._tries = self._since = self._reason = 0

    def active(self, up=None):
        if up is False:
            self.off()
        elif up:
            self._active = up
        return self._active

    def config(self, what=None, reconnects=None, pm=None):
        if not self._active:
            raise OSError("Wifi Not Started")
        if what:
            return self._ssid
        if reconnects is not None:
            self._reconnects = reconnects

    def connect(self, ssid=None, key=None):
        self.config()
        self.disconnect()
        self._ssid = ssid

    def disconnect(self):
        self.config()
        if self._joined or posts and self._ssid:
            self._reason = _LEFT
        self._ssid = None
        self._joined = False
        self._tries = 0
        self._since = time.ticks_ms()

    def isconnected(self):
        self.look()
        return self._joined

    def status(self, what=None):
        air = self.look()
        if what:
            if air is None or air > _MUTE:
                raise OSError("STA not connected")
            return -60
        if self._joined:
            return 1010
        # A reason is there from the first failure on, while the chip goes on trying, and stays,
        # also for the next network, until there is an address.
        if self._reason:
            return self._reason
        return 1001 if self._ssid else 1000

    def scan(self):
        """What is in sight, as the chip lists it."""
        self.config()
        names = bytes(bus.ask(bus.WIFI)[3]).split(b"\n")
        return [(name, b"\0" * 6, 6, -60, 3, False) for name in names if name]

    def ifconfig(self, address=None):
        if address:
            self._address = address
        elif self._active and not self.isconnected():
            return ("0.0.0.0",) * 4
        return self._address or ("127.0.0.1", "255.0.0.0", "127.0.0.1", dns)

    def look(self):
        # What has happened since; -> what the wall says of the network, None: nobody asked
        if not self._ssid:
            return None
        air = bus.ask(bus.WIFI, 0, 0, self._ssid.encode())[0]
        if self._joined and air > _MUTE:
            self.connect(self._ssid)  # the chip by itself
            self._reason = _SILENT
        ready = time.ticks_diff(time.ticks_ms(), self._since) >= takes_ms.get(self._ssid, _JOIN_ms)
        if ready and not self._joined:
            if not air or air == _MUTE and self._address:
                self._joined = True
                self._reason = 0
            elif air > _MUTE and not 0 <= self._reconnects < self._tries:
                self._reason = air
                self._tries += 1
                self._since = time.ticks_ms()
        return air if ready else None
