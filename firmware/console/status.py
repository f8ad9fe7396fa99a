"""Console commands (line.py) about what is: the station, sessions, faults, tasks, memory."""

import asyncio
import esp32
import gc
import micropython
import network
import os
from micropython import const

from firmware import lazy
from firmware.clock import format_iso
from firmware.electrical import pilot
from firmware.electrical.faults import ENDING, REACTION, SEVERITY
from firmware.version import VERSION

# What is done about a fault, by REACTION.
_REACTIONS = const(
    "is told, and no more|nothing is offered; the contactor opens when the car lets go, or after"
    " 6 s|nothing is offered; the contactor opens when the car lets go, or after 5 s|"
    "the contactor is open|the contactor is open, the pilot was at F"
)


def status(unit, connectors):
    """The unit and its connectors."""
    station, clock = unit.station, unit.clock
    yield "Pilotwire %s on board %s, id %s" % (VERSION, unit.config.board, unit.config.id)
    wrong = "" if clock.known() else ", which is wrong: nobody has set the clock"
    hours, minutes = divmod(unit.up_s // 60, 60)
    ran = "%d d %d:%02d:%02d" % (hours // 24, hours % 24, minutes, unit.up_s % 60)
    yield "its time is %s%s, it has run for %s" % (format_iso(clock.now()), wrong, ran)
    yield _address(unit.config.networks)
    link = unit.link
    names, boot = lazy.load("names"), unit.outbox.boot
    boot = "not answered yet" if boot is None else names.BOOTS.split(" ")[boot]
    said = "connected, %s, boot %s" % (link.ws.protocol, boot) if link.online else "not connected"
    yield "Central System: " + said
    for t, times, why in link.ends:
        often = ", %d times in a row" % times if times > 1 else ""
        yield "  %s: %s%s" % (format_iso(t), why, often)
    if unit.last:
        yield "the last run: " + unit.last
    if station.policy:
        yield station.policy.fault or "policy.py is in force"
    waits = station.journal.head()
    told = "messages of transactions wait" if waits else "nothing waits to be told"
    yield "%d profiles, %s" % (station.store.count(), told)
    for c in connectors:
        e, meter = c.controller, c.meter
        contactor = "closed" if e.closed else "open"
        fault = ", its fault: " + names.fault(e.fault) if e.fault else ""
        said = c.number, names.STATES.split(" ")[c.state], pilot.STATES[e.state]
        said += e.pilot_mA / 1000, contactor, fault
        yield "connector %d: %s, state %s, pilot %g A, contactor %s%s" % said
        wrong = ": not believed, %s" % meter.why if meter.why else ": not answering"
        readings = [meter.energy_Wh, meter.power_W] + [mA / 1000 for mA in meter.current_mA]
        text = "  meter %d Wh, %d W, %g %g %g A" % tuple(readings)
        yield text if meter.known() else text + wrong


def _address(networks):
    if not networks:
        return "Wi-Fi: config.json names no network"
    wlan = network.WLAN(network.WLAN.IF_STA)
    if not wlan.isconnected():
        names = ", ".join([name for name, _ in networks])
        return "Wi-Fi: not in a network; it looks for %s (the log says why not)" % names
    name, address = wlan.config("ssid"), wlan.ifconfig()[0]
    try:
        return "Wi-Fi: %s, address %s, %d dBm" % (name, address, wlan.status("rssi"))
    except OSError:  # (it was lost this very moment)
        return "Wi-Fi: %s, address %s" % (name, address)


def session(unit, connectors):
    """The transaction of each connector."""
    now_s = unit.clock.now()
    for c in connectors:
        tx = c.tx
        if not tx:
            waits = "; reserved" if c.reserved else ""
            if c.waits:
                waits = "; tag %s waits for the car" % c.waits.token
            yield "connector %d: no transaction%s" % (c.number, waits)
            continue
        name = "without an id yet" if tx.id is None else tx.name
        group = ", of a group" if tx.group else ""
        said = c.number, name, tx.number, tx.token, group
        yield "connector %d: transaction %s (number %d here), tag %s%s" % said
        since, charged_Wh = format_iso(tx.origin_s), c.energy_Wh() - tx.start_Wh
        yield "  since %s, %d s; %d Wh" % (since, now_s - tx.origin_s, charged_Wh)
        if tx.cost is not None:
            yield "  it costs %.2f so far" % tx.cost
        if tx.target_Wh:
            yield _needs(c)
        if tx.denied:
            yield "  the Central System does not accept the tag"
        if c.stopping():
            yield "  it is ending: the contactor, then a reading of the meter"


def _needs(c):
    needs = lazy.load("station.needs")
    words = "no answer yet|Accepted|Rejected|Processing|none yet".split("|")
    asked, plan = needs.answers(c.tx)
    said = needs.text(c), words[asked], words[plan or 4]
    return "  its car needs %s: %s; the plan for that: %s" % said


def faults(unit, connectors):
    """What is wrong with each connector."""
    names = lazy.load("names")
    for c in connectors:
        e = c.controller
        if e.fault:
            said = c.number, names.fault(e.fault), SEVERITY[e.fault]
            yield "connector %d: %s, severity %d" % said
            over = "by itself, some of them when the car is unplugged"
            if e.fault in ENDING:
                over = "when a person says so: the button, or clear %d" % c.number
            yield "  %s; it is over %s" % (_REACTIONS.split("|")[REACTION[e.fault]], over)
        else:
            yield "connector %d: no fault" % c.number
        for part in e.parts:
            wrong = names.fault(part.fault) if part.fault else "nothing is wrong"
            busy = ", offers nothing" if part.busy else ""
            closes = "" if part.ready else ", does not let the contactor close"
            yield "  %-12s %s%s%s" % (type(part).__name__, wrong, busy, closes)


def clear(unit, connectors):
    """Clear the faults that wait for a person."""
    for c in connectors:
        said = "not with a car, a welded contactor or a sensor that has tripped"
        if unit.station.kept.clear_faults(c):
            said = "faults that waited for a person are cleared"
        yield "connector %d: %s" % (c.number, said)


def tasks(unit):
    """What each task waits for, or where it is."""
    core = asyncio.core
    for name, task in zip(unit.tasks[::2], unit.tasks[1::2]):
        if task is asyncio.current_task():
            text = "the one that says this"
        elif task.done():
            text = "it has ended"
        elif task.data:
            text = "waits for something"
        else:
            text = "due in %d ms" % max(0, core.ticks_diff(task.ph_key, core.ticks()))
        yield "  %-10s  %s" % (name.strip("_"), text)


def heap(unit):
    """What is left of heaps and flash."""
    gc.collect()
    yield "Python heap: %d bytes live, %d free" % (gc.mem_alloc(), gc.mem_free())
    for total, free, largest, _ in esp32.idf_heap_info(esp32.HEAP_DATA):
        if free:
            yield "IDF heap (TLS): %d of %d bytes free, %d in one piece" % (free, total, largest)
    flash = os.statvfs("/")
    yield "flash: %d of %d KB free" % (flash[0] * flash[3] >> 10, flash[0] * flash[2] >> 10)
    micropython.qstr_info()
