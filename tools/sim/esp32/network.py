# A Wi-Fi that is always there: the host's own network is what the sockets use.

AP_IF, STA_IF = 1, 0

dns = "127.0.0.1"  # the network's DNS server; a simulated one has a port of its own: "...:5300"


class WLAN:
    IF_STA, IF_AP = 0, 1

    def __init__(self, interface=0):
        self._connected = False

    def active(self, up=None):
        return True

    def config(self, *args, **kwargs):
        return None

    def connect(self, ssid=None, key=None):
        self._connected = True

    def disconnect(self):
        self._connected = False

    def isconnected(self):
        return self._connected

    def status(self, what=None):
        return 1010 if self._connected else 201

    def ifconfig(self):
        return ("127.0.0.1", "255.0.0.0", "127.0.0.1", dns)
