"""Joins one of the unit's Wi-Fi networks, or says what to do. The chip rejoins it by itself."""

import asyncio
import network
import time
from micropython import const

_POLL_ms = const(250)
_ALONE_ms = const(20000)  # the chip's own tries when it has lost the network
_JOIN_ms = const(20000)  # for a network: to be found, to accept the password, to give an address
_SURE_ms = const(7000)  # for the chip's own tries: a first failure is not the last word
_TRIES = const(2)  # of the chip beyond the first, then its status says what is wrong

_NONE = (1000, 1001)  # idle, connecting: these are no reason
# By status: the chip hands the reason code of 802.11, or its own from 200 on, through. (2 and 15:
# authentication or the four-way handshake ran out of time, the usual sign of a wrong password.)
_WHY = (
    (_NONE, "it does not answer"),
    ((2, 15, 202, 204), "its password is refused: see wifi_password or networks in config.json"),
    ((200,), "it has fallen silent: too far away?"),
    ((201,), "it is not there: name as in config.json? 2.4 GHz? near enough?"),
    ((203,), "it takes no more stations"),
    ((210, 211), "it wants another security than WPA2 or WPA3 with a password"),
    ((212,), "it is too far away"),
)


async def join(config, log):
    """See wifi.join(). config: `networks`, [(ssid, password)]; `ip`, (address, netmask, gateway,
    dns) or "" for DHCP; `hostname`; `country`, "" for the chip's own."""
    wlan = network.WLAN(network.WLAN.IF_STA)
    if wlan.active() and wlan.config("ssid"):
        log("Wi-Fi: lost")
        await _wait(wlan, _ALONE_ms, _ALONE_ms)
    else:
        if config.country:
            network.country(config.country)
        network.hostname(config.hostname)
        _start(wlan)
    said, rounds = [], 0
    while not wlan.isconnected():
        rounds += 1
        if rounds % 10 == 0:  # a tick comes late for it, but the radio may hang
            wlan.active(False)
            _start(wlan)
        for ssid, password in config.networks:
            why = await _try(wlan, ssid, password, config.ip)
            if not why:
                break
            if (ssid, why) not in said:  # once an outage: the log is short
                said.append((ssid, why))
                log("Wi-Fi %s: %s" % (ssid, why))
        else:
            await asyncio.sleep_ms(5000)
    wlan.config(reconnects=-1)
    name = wlan.config("ssid")
    log("Wi-Fi %s: address %s, %d dBm" % (name, wlan.ifconfig()[0], wlan.status("rssi")))


def _start(wlan):
    wlan.active(True)
    # Saving power would make each answer up to 300 ms late.
    wlan.config(pm=network.WLAN.PM_NONE)


async def _try(wlan, ssid, password, ip):  # -> "" once joined, else why not
    try:
        wlan.disconnect()
        # For ever (-1) it would never say more than "connecting".
        wlan.config(reconnects=_TRIES)
        if ip:
            wlan.ifconfig(ip)
        before = wlan.status()
        wlan.connect(ssid, password)
    except OSError as e:
        await asyncio.sleep_ms(_POLL_ms)
        return str(e)
    await _wait(wlan, _JOIN_ms, _SURE_ms, before)
    if wlan.isconnected():
        return ""
    if _associated(wlan):
        return "it gives no address (DHCP): restart the router, or give ip in config.json"
    status = wlan.status()
    for codes, why in _WHY:
        if status in codes:
            return why
    return "not joined, status %d" % status


def _associated(wlan):
    try:
        wlan.status("rssi")
        return True
    except OSError:
        return False


async def _wait(wlan, ms, sure_ms, before=0):
    # Until there is an address, or none will come. A reason is there from the first failure on,
    # while the chip goes on trying, and stays, also for the next network, until there is one: the
    # status from before connect() may be another's, so for that one all the time is waited.
    began = time.ticks_ms()
    while True:
        await asyncio.sleep_ms(_POLL_ms)
        passed = time.ticks_diff(time.ticks_ms(), began)
        if wlan.isconnected() or passed > ms:
            return
        if passed > sure_ms and wlan.status() not in _NONE + (before,) and not _associated(wlan):
            return
