# Wi-Fi as the chip has it. Which networks there are the wall says (command `wifi` of
# tools/station); what the sockets use is the host's own network, always.

import time

import bus

AP_IF, STA_IF = 1, 0

dns = "127.0.0.1"  # the network's DNS server; a simulated one has a port of its own: "...:5300"
set_up = []  # country and name, as they were when the radio was switched on

_JOIN_ms = 2000  # what each attempt takes
_MUTE = 1  # of the wall: a network without DHCP; 0: a good one; else the reason why not


def country(code):
    set_up.append(code)


def hostname(name):
    set_up.append(name)


class WLAN:
    IF_STA, IF_AP = 0, 1
    PM_NONE = 0

    # One radio, however many objects.
    _active = _joined = _given_up = False
    _ssid = _address = None
    _reconnects = _tries = _since = _reason = 0

    def __init__(self, interface=0):
        pass

    def active(self, up=None):
        if up is not None:
            WLAN._active = up
            WLAN._joined = False
            WLAN._ssid = None
        return WLAN._active

    def config(self, what=None, reconnects=None, pm=None):
        self._need()
        if what:
            return WLAN._ssid
        if reconnects is not None:
            WLAN._reconnects = reconnects

    def connect(self, ssid=None, key=None):
        self._need()
        WLAN._ssid = ssid
        WLAN._joined = WLAN._given_up = False
        WLAN._tries = 0
        WLAN._since = time.ticks_ms()

    def disconnect(self):
        self._need()
        WLAN._ssid = None
        WLAN._joined = False

    def isconnected(self):
        self._look()
        return WLAN._joined

    def status(self, what=None):
        air = self._look()
        if what == "rssi":
            if air is None or air > _MUTE:
                raise OSError("STA not connected")
            return -60
        if WLAN._joined:
            return 1010
        if WLAN._given_up:
            return WLAN._reason
        return 1001 if WLAN._ssid else 1000

    def ifconfig(self, address=None):
        if address:
            WLAN._address = address
        elif WLAN._active and not self.isconnected():
            return ("0.0.0.0",) * 4
        return WLAN._address or ("127.0.0.1", "255.0.0.0", "127.0.0.1", dns)

    def _need(self):
        if not WLAN._active:
            raise OSError("Wifi Not Started")

    def _look(self):
        # What has happened since; -> what the wall says of the network, None: nobody asked
        if not WLAN._ssid:
            return None
        air = bus.ask(bus.WIFI, 0, 0, WLAN._ssid.encode())[0]
        if WLAN._joined and air > _MUTE:
            WLAN._joined = False
            WLAN._tries = 0
            WLAN._since = time.ticks_ms()
        ready = time.ticks_diff(time.ticks_ms(), WLAN._since) >= _JOIN_ms
        if ready and not (WLAN._joined or WLAN._given_up):
            if not air or air == _MUTE and WLAN._address:
                WLAN._joined = True
            elif air > _MUTE:
                WLAN._reason = air
                WLAN._tries += 1
                WLAN._since = time.ticks_ms()
                WLAN._given_up = 0 <= WLAN._reconnects < WLAN._tries
        return air if ready else None
