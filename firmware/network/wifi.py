"""Wi-Fi as a station, the part that stays; join.py and dns.py are loaded when they are needed."""

import network

from firmware import lazy

config = None  # the unit's config.Config; set by app/tasks.py


def begin():
    """Switch the radio on, before the code takes its 40 KB of heap; `join` does the rest."""
    try:
        with open("/config.json", "rb") as f:
            if b'"ssid"' in f.read():
                network.WLAN(network.WLAN.IF_STA).active(True)
    except OSError:  # (no file; or no memory for it either, which `up` says)
        pass


def up():
    """True while there is an address; always where config.json names no network."""
    return not config.networks or network.WLAN(network.WLAN.IF_STA).isconnected()


async def join(log):
    """Returns once there is an address; tries for ever, all networks of config.json in turn."""
    await lazy.load("network.join").join(config, log)


async def resolve(host):
    """The address of a host (dns.py): by the DNS server of config.json, or the network's."""
    server = config.dns or network.WLAN(network.WLAN.IF_STA).ifconfig()[3]
    servers = [] if server == "0.0.0.0" else [server]
    dns = lazy.load("network.dns")
    if host.lower().rstrip(".").endswith(".local"):  # (a company's server may know it too)
        servers.insert(0, dns.EVERYONE)
    return await dns.resolve(host, servers)
