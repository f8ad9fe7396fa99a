# Wi-Fi as the chip has it. Which networks there are the wall says (command `wifi` of
# tools/station); what the sockets use is the host's own network, always.

import time
from micropython import const

import bus

AP_IF, STA_IF = 1, 0

dns = "127.0.0.1"  # the network's DNS server; a simulated one has a port of its own: "...:5300"
said = []  # country and name, as they were set before the radio was switched on

_JOIN_ms = const(2000)  # what each attempt takes
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
        self._active = self._joined = self._given_up = False
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
        self._ssid = None
        self._joined = self._given_up = False
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
        if self._given_up:
            return self._reason
        return 1001 if self._ssid else 1000

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
        ready = time.ticks_diff(time.ticks_ms(), self._since) >= _JOIN_ms
        if ready and not (self._joined or self._given_up):
            if not air or air == _MUTE and self._address:
                self._joined = True
            elif air > _MUTE:
                self._reason = air
                self._tries += 1
                self._since = time.ticks_ms()
                self._given_up = 0 <= self._reconnects < self._tries
        return air if ready else None
