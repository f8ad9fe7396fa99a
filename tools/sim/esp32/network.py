# Wi-Fi as the chip has it. Which networks there are the wall says (command `wifi` of
# tools/station); what the sockets use is the host's own network, always.

import gc
import sys
import time
from micropython import const

import bus

dns = "127.0.0.1"  # the network's DNS server; a simulated one has a port of its own: "...:5300"
posts = False  # disconnect() during an attempt tells of itself: nobody knows, both must do
takes_ms = {}  # what an attempt takes at a network, where it is not _JOIN_ms
said = []  # country and name, as they were set

_RAM = const(206256)  # that the ESP-IDF has for MicroPython's heap, for itself and for Wi-Fi
_NEEDS = const(40960)  # the last of these
_HEAP = const(57344)  # MicroPython's begins so small, and is doubled when it is full
_JOIN_ms = const(2000)  # what each attempt takes
_LEFT = const(8)  # the reason that disconnect() itself leaves
_SILENT = const(200)  # and a network that has gone
_MUTE = const(1)  # of the wall: a network without DHCP; 0: a good one; else the reason why not
# Reasons that status() shows from the first failure on; others where the chip has given up.
_AT_ONCE = (201, 202, 205, 210, 211, 212)


def free():
    """Of a chip without PSRAM, when Wi-Fi is asked for."""
    heap = _HEAP
    used = gc.mem_alloc() - bus.heap
    if sys.maxsize >> 32:  # (objects are twice as large as the chip's)
        used //= 2
    while heap < used:
        heap *= 2
    return _RAM - heap


def country(code):
    said.append(code)


hostname = country


class WLAN:
    IF_STA = 0
    PM_NONE = 0
    radio = None

    def __new__(cls, interface=0):
        # One radio, however often it is asked for.
        if cls.radio is None:
            if free() < _NEEDS:
                raise OSError("WiFi Out of Memory")
            cls.radio = object.__new__(cls)
            cls.radio.begin()
        return cls.radio

    def begin(self):
        self._active = self._joined = self._asked = self._trying = False
        self._ssid = self._address = None
        self._reconnects = -1
        self._failed = self._since = self._reason = 0

    def active(self, up=None):
        if up is False:
            self.off()
        elif up and not self._active:
            self._active = True
            self._failed = 0
        return self._active

    def off(self):
        # What it was asked for, and why it failed, it remembers.
        if self._joined:
            self._reason = _LEFT
        self._active = self._joined = self._trying = False

    def config(self, what=None, reconnects=None, pm=None):
        if what:
            return self._ssid or ""
        self._started()
        if self._trying:
            raise OSError("Wifi Internal State Error")
        if reconnects is not None:
            self._reconnects = reconnects

    def _started(self):
        if not self._active:
            raise OSError("Wifi Not Started")

    def connect(self, ssid=None, key=None):
        self.config()
        self._ssid = ssid
        self._failed = 0
        self._asked = True
        self._try()

    def _try(self):
        self._joined = False
        self._trying = True
        self._since = time.ticks_ms()

    def disconnect(self):
        self._started()
        self._asked = False
        if self._joined or posts and self._trying:
            self._reason = _LEFT
        self._joined = self._trying = False

    def _lost(self, reason):
        # The event of that name: the chip tries again by itself, so often as it was told to.
        self._reason = reason
        self._joined = self._trying = False
        if self._reconnects >= 0:
            self._failed += 1
        if self._asked and self._more():
            self._try()

    def _more(self):
        return not self._failed or self._failed <= self._reconnects

    def isconnected(self):
        self.look()
        return self._joined

    def status(self, what=None):
        air = self.look()
        if what:
            if air is None or air > _MUTE:
                raise OSError("Wifi Not Connected")
            return -60
        reason = self._reason
        if self._joined:
            return 1010
        # A reason stays, also for the next network, until there is an address.
        if reason in _AT_ONCE:
            return 202 if reason == 205 else reason
        if reason == _LEFT:
            return 1000
        if self._asked and self._more():
            return 1001
        return reason or 1000

    def scan(self):
        """What is in sight, as the chip lists it; nothing while it tries to join."""
        self._started()
        names = b"" if self._trying else bytes(bus.ask(bus.WIFI)[3])
        return [(name, b"\0" * 6, 6, -60, 3, False) for name in names.split(b"\n") if name]

    def ifconfig(self, address=None):
        if address:
            self._address = address
        elif self._active and not self.isconnected():
            return ("0.0.0.0",) * 4
        return self._address or ("127.0.0.1", "255.0.0.0", "127.0.0.1", dns)

    def look(self):
        # What has happened since; -> what the wall says of the network, None: nobody asked
        if not self._trying and not self._joined:
            return None
        air = bus.ask(bus.WIFI, 0, 0, self._ssid.encode())[0]
        if self._joined and air > _MUTE:
            self._lost(_SILENT)
        if self._joined:
            return air
        takes = takes_ms.get(self._ssid, _JOIN_ms)
        if time.ticks_diff(time.ticks_ms(), self._since) < takes:
            return None
        if air > _MUTE:
            self._lost(air)
            return None
        if not air or self._address:
            self._joined = True
            self._trying = False
            self._reason = 0
        return air
