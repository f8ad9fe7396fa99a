"""Wi-Fi as a station, the part that stays: is the unit in a network, and who is its DNS server.
join.py, loaded when it is needed, does the rest."""

import network

from firmware import lazy

config = None  # the unit's config.Config; set by app/tasks.py


def up():
    """True while there is an address; always where config.json names no network (a wired or
    simulated unit)."""
    return not config.networks or network.WLAN(network.WLAN.IF_STA).isconnected()


async def join(log):
    """Returns once there is an address; tries for ever, all networks of config.json in turn."""
    await lazy.load("network.join").join(config, log)


def dns():
    """The DNS servers to ask, as text: that of config.json, or the network's; [] if nobody has
    named one."""
    server = config.dns or network.WLAN(network.WLAN.IF_STA).ifconfig()[3]
    return [] if server == "0.0.0.0" else [server]
