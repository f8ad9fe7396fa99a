# Wi-Fi as a station: join the configured network; the ESP32 then rejoins by itself.

import asyncio
import network
import time
from micropython import const

_JOIN_ms = const(30000)


async def join(ssid, password, log):
    """Returns once there is an address; tries for ever. No network configured: returns at once
    (a wired or simulated unit)."""
    if not ssid:
        return
    wlan = network.WLAN(network.WLAN.IF_STA)
    wlan.active(True)
    wlan.config(reconnects=-1)
    while not wlan.isconnected():
        began = time.ticks_ms()
        try:
            wlan.connect(ssid, password)
        except OSError as e:
            log("Wi-Fi: %s" % e)
        while not wlan.isconnected() and time.ticks_diff(time.ticks_ms(), began) < _JOIN_ms:
            await asyncio.sleep_ms(250)
        if not wlan.isconnected():
            log("Wi-Fi: %s not joined, status %s" % (ssid, wlan.status()))
            wlan.disconnect()
    log("Wi-Fi: %s, address %s" % (ssid, wlan.ifconfig()[0]))


def servers():
    """The DNS servers of the network, as text; [] if it has named none."""
    server = network.WLAN(network.WLAN.IF_STA).ifconfig()[3]
    return [] if server == "0.0.0.0" else [server]
