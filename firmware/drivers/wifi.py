# Wi-Fi as a station, the part that stays: is the unit in a network, and who is its DNS server.
# join.py, loaded when it is needed, does the rest.

import network
import sys

dns = ""  # that of config.json, which comes before the network's own


def up(config):
    """True while there is an address; always where config.json names no network (a wired or
    simulated unit)."""
    return not config.networks or network.WLAN(network.WLAN.IF_STA).isconnected()


async def join(config, log):
    """Returns once there is an address; tries for ever, all networks of config.json in turn."""
    from . import join

    del sys.modules["firmware.drivers.join"], sys.modules["firmware.drivers"].join
    await join.join(config, log)


def servers():
    """The DNS servers to ask, as text; [] if nobody has named one."""
    server = dns or network.WLAN(network.WLAN.IF_STA).ifconfig()[3]
    return [] if server == "0.0.0.0" else [server]
