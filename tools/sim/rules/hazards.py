"""What may be wrong, as it is in truth: for how long, and what stays until somebody comes."""

from sim.car import offered_mA
from sim.rules.deadlines import (
    DUTY_ms,
    F,
    HIGH_mV,
    LOW_mV,
    METER_ms,
    OFF_u16,
    PE_ms,
    RELEASE_ms,
    SEEN_ms,
    SETTLE_ms,
    TICK_ms,
    TRIP_ms,
    VOLTAGE_ms,
    WELD_ms,
    WIRE_ms,
    rating_mA,
)

_SWITCHING = ("weld", "not closed")  # which are there for a moment after every switching
_KEPT = {
    "residual": "person",
    "weld": "person",
    "not closed": "person",
    "diode": "unplug",
    "interlock": "long",  # (unplugged for so long that the station must have let it go)
    "wire": "unplug",
    "cable": "unplug",
    "overcurrent": "unplug",
}


def look(m, state, core, dt_ms):
    outlet, fitted = m.outlet, m.fitted
    metered = not (outlet.meter_lost or outlet.meter_garbles)
    found = []
    # (in state F the station cannot see whether there is a car)
    if state != "A":
        m.gone_ms = m.gone = 0
    elif m.duty != F and outlet.stuck != F:
        m.gone_ms += core
        m.gone += 1
    if state == "A":
        # Between two readings and 100 ms nobody can ask whether the station has seen the car go.
        if m.gone_ms > 4 * TICK_ms:
            m.tested = False
            _forget(m.doubt, "unplug")
        if m.gone_ms > RELEASE_ms:
            _forget(m.doubt, "long")
        if m.gone >= 2:
            _forget(m.latched, "unplug")
            m.seen_long.clear()
    elif state == "E" or state == "D":
        if m.duty != F:
            found.append("state " + state)
    elif "diode-short" in outlet.car.faults:
        if offered_mA(m.duty):
            found.append("diode")
    if outlet.lock_jam or not metered:
        found.append("other")
    if outlet.residual_mA or outlet.residual_broken:
        found.append("other")
        m.doubt["residual test"] = "person"
    if not outlet.car.compliant():
        m.doubt["car"] = "unplug"
    if outlet.residual_trip and not outlet.residual_test and "residual" in fitted:
        found.append("residual" if m.up_ms > SETTLE_ms else "other")
        m.doubt["residual"] = "person"
    if not outlet.pe_ok and "earth" in fitted:
        found.append("pe")
    if not outlet.loop_closed and "interlock" in fitted:
        found.append("interlock")
    off = outlet.stuck is not None and abs(outlet.wire() - outlet.duty)
    if off > OFF_u16 // 3:
        found.append("wire" if "readback" in fitted and off > OFF_u16 else "other")
        m.doubt["wire"] = "unplug"
        if outlet.duty == F:  # (that may have been its test at boot)
            m.doubt["driver"] = "power"
        m.plain_ms = 0  # (the car hears something else)
    if "proximity" in fitted and state != "A" and not rating_mA(outlet.cable_ohm):
        found.append("cable")
    if "lock" in fitted and not outlet.locked and m.coil:
        found.append("lock")
    if "supply" in fitted and metered:
        # (a phase without any is not there: a car may go on with the others)
        volts = [mV for mV in outlet.volts_mV if mV]
        if volts and (min(volts) < LOW_mV or max(volts) > HIGH_mV):
            found.append("voltage")
        # (the latest reading may be from before it was right again, or the meter silent)
        old = lately(m, "voltage", METER_ms) or m.heard_ms < METER_ms
        m.shown_wrong = "voltage" in found or m.shown_wrong and old
        m.heard_ms += dt_ms
    else:
        m.heard_ms = 0
    if "mirror" in fitted:
        if outlet.live and not m.coil:
            found.append("weld")
        elif m.coil and not outlet.live:
            found.append("not closed")
    if "derating" in fitted:
        if outlet.sensor_lost:
            found.append("sensor")
        elif outlet.temperature_dC >= 715:
            found.append("hot")
        elif outlet.temperature_dC >= 655:
            found.append("warm")
    mA = outlet.car.current_mA
    if mA and "overcurrent" in fitted and metered:
        most = m.offered_before(DUTY_ms)
        if most and mA * 98 > (most + 500) * 110 + 10000:
            found.append("overcurrent")
            if mA * 98 > most * 150 + 10000:
                found.append("far overcurrent")
        if most and mA * 102 > most * 150 - 10000:
            found.append("perhaps far")  # (as the meter may show it)
    if lately(m, "interlock", RELEASE_ms):  # (a car that comes so soon may have to go once more)
        m.doubt["interlock"] = "long"
    active, since = m.active, m.since
    if not found and not active:
        m.calm_ms += dt_ms
        return
    for name in list(active):
        if name not in found:
            if name == "voltage" and active[name] > VOLTAGE_ms:
                m.voltage_at_ms = m.now_ms
            del active[name]
            since[name] = m.now_ms
    m.calm_ms = 0 if found else m.calm_ms + dt_ms
    for name in found:
        if name not in active:
            active[name] = 0
            m.seen_long[name] = False
            m.began_ms[name] = m.now_ms - dt_ms
            if name not in _SWITCHING:
                m.note("hazard: " + name)
        active[name] += core
        # (three readings in a row are seen for sure; a car that goes takes it along)
        if active[name] >= 4 * TICK_ms:
            m.seen_long[name] = True
        m.hazards_seen.add(name)
        if name in _KEPT and (name not in _SWITCHING or active[name] >= 200):
            m.doubt[name] = _KEPT[name]
    if "residual" in active and active["residual"] >= TRIP_ms:
        _latch(m, "residual", "person")
    if "weld" in active and active["weld"] > WELD_ms:
        _latch(m, "weld", "person")
    if "diode" in active and active["diode"] > SEEN_ms:
        _latch(m, "diode", "unplug")
    if "interlock" in active and active["interlock"] > PE_ms:  # (also a car that comes to it)
        _latch(m, "interlock", "unplug")
    if active.get("wire", 0) > WIRE_ms:
        _latch(m, "wire", "unplug")


def _forget(kept, until):
    for name in list(kept):
        if kept[name] == until:
            del kept[name]


def _latch(m, rule, until):
    if rule not in m.latched:
        m.latched[rule] = until
        m.note("latched: " + rule)


def lately(m, name, ms):
    """True if a hazard is there, or was within the last `ms`."""
    if name in m.active:
        return True
    return name in m.since and m.now_ms - m.since[name] <= ms


def lasting(m, name, ms):
    """True if a hazard is there and may have been for `ms`, the stalls counted in
    full (`active` counts what the firmware had the time to see)."""
    return name in m.active and m.now_ms - m.began_ms[name] >= ms
