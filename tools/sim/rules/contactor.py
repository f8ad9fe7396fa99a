"""When the contactor may close, must open, and must close."""

from sim.car import offered_mA
from sim.rules import hazards
from sim.rules.deadlines import (
    RETRIES,
    X1,
    CABLE_ms,
    CHATTER_ms,
    CLOSE_ms,
    DIODE_ms,
    F,
    FAR_OVER_ms,
    HOT_ms,
    LOAD_mA,
    LOCK_ms,
    METER_ms,
    MIN_OFF_ms,
    NOT_CLOSED_ms,
    NOT_CLOSED_OFF_ms,
    OBEY_ms,
    OFFER_ms,
    OPEN_ms,
    OVER_ms,
    PE_ms,
    SENSOR_ms,
    STABLE_ms,
    TICK_ms,
    TRIP_ms,
    VOLTAGE_BACK_ms,
    VOLTAGE_ms,
    WIRE_ms,
    rating_mA,
)


def look(m, state, duty, coil, core, dt_ms):
    outlet = m.outlet
    m.off_ms = core if m.off_ms < 0 else m.off_ms + dt_ms
    if coil and not m.coil:
        _closing(m, state, duty)
    elif m.coil and not coil:
        _opening(m, state, duty)
    if coil:
        _stays_closed(m, state, duty, dt_ms)
        if outlet.live:
            m.was_live = True
            m.dead_closings = 0
    _must_close(m, state, duty, coil, dt_ms)


def _closing(m, state, duty):
    fitted = m.fitted
    m.note("coil on")
    m.closings += 1
    if state != "C" or m.c_ms < STABLE_ms:
        m.fail("close", "in %s, %d ms of C" % (state, m.c_ms))
    if not offered_mA(duty):
        m.fail("close", "without an offer")
    if m.off_ms < m.need_off_ms - m.spread_ms:
        m.fail("chatter", "closed after %d ms, not %d" % (m.off_ms, m.need_off_ms))
    if m.latched:
        m.fail("latched", "closed with " + ", ".join(m.latched))
    if "diode" in m.active:
        m.fail("close", "with a shorted diode")
    for name in ("state D", "state E"):
        if hazards.lately(m, name, CHATTER_ms - 200) and m.seen_long.get(name):
            m.fail("chatter", "closed soon after %s" % name)
    for name in ("pe", "interlock", "cable", "residual"):
        if m.active.get(name, 0) > TRIP_ms:
            m.fail("close", "with " + name)
    if m.now_ms - m.voltage_at_ms < VOLTAGE_BACK_ms - 1100:
        m.fail("close", "less than %d ms after a wrong voltage" % VOLTAGE_BACK_ms)
    if "lock" in fitted and not m.locked:
        m.fail("close", "not locked")
    if "residual" in fitted and not m.tested:
        m.fail("close", "without a test of the residual current sensor")
    if m.dead_closings:
        if m.dead_closings > RETRIES:
            m.fail("retries", "closes for the %dth time in vain" % (RETRIES + 2))
        if m.off_ms < NOT_CLOSED_OFF_ms - m.spread_ms:
            m.fail("retries", "closes again after %d ms" % m.off_ms)
    m.was_live = False
    m.on_at_ms = m.now_ms
    m.cable_mA = rating_mA(m.outlet.cable_ohm)


def _opening(m, state, duty):
    m.note("coil off, %d mA" % m.outlet.car.current_mA)
    m.openings += 1
    if "mirror" in m.fitted and not m.was_live and m.now_ms - m.on_at_ms >= 1100:
        m.dead_closings += 1
    mA = m.outlet.car.current_mA
    if mA > LOAD_mA and state == "C" and not m.excuse_ms:
        m.load_openings += 1
        if m.x1_ms < OBEY_ms - m.spread_ms and not _demanded(m):
            m.fail("load", "opened with %d mA after %d ms of X1" % (mA, m.x1_ms))
    m.off_ms = 0
    m.need_off_ms = MIN_OFF_ms


def _demanded(m):
    """True if a fault wants the contactor open under load."""
    if m.not_c_ms or m.latched or "wire" in m.doubt:
        return True
    if "proximity" in m.fitted and rating_mA(m.outlet.cable_ohm) != m.cable_mA:
        return True  # (in a stall somebody has put another cable there)
    for name in ("residual", "pe", "interlock", "cable", "lock", "diode", "not closed"):
        if hazards.lately(m, name, 1000):
            return True
    return (
        hazards.lasting(m, "voltage", 2900)
        or hazards.lasting(m, "perhaps far", 500)
        or hazards.lately(m, "hot", 3000)
        and m.x1_ms >= 4900
        or hazards.lasting(m, "sensor", SENSOR_ms)
        or hazards.lately(m, "voltage", 1100)
        or m.shown_wrong
    )


def _stays_closed(m, state, duty, dt_ms):
    active = m.active
    if m.not_c_ms + TICK_ms > OPEN_ms:
        m.fail("open", "closed in %s" % state)
    if duty == F:
        m.fail("open", "closed in F")
    if m.x1_ms > OBEY_ms + dt_ms:
        m.fail("x1-ignored", "still closed after %d ms of X1" % m.x1_ms)
    if not active:
        return
    if active.get("residual", 0) + TICK_ms > TRIP_ms + TICK_ms:
        m.fail("residual", "still closed")
    if active.get("diode", 0) > DIODE_ms:
        m.fail("diode", "still closed")
    if active.get("pe", 0) + TICK_ms > PE_ms + TICK_ms:
        m.fail("pe", "still closed")
    if active.get("interlock", 0) + TICK_ms > PE_ms + TICK_ms:
        m.fail("interlock", "still closed")
    if active.get("wire", 0) > WIRE_ms:
        m.fail("wire", "still closed")
    if active.get("cable", 0) > CABLE_ms:
        m.fail("cable", "still closed")
    if active.get("lock", 0) > LOCK_ms:
        m.fail("lock", "still closed")
    if active.get("not closed", 0) > NOT_CLOSED_ms:
        m.fail("not-closed", "still tries")
    if active.get("far overcurrent", 0) > FAR_OVER_ms + METER_ms:
        m.fail("overcurrent", "still closed at more than 150 %")
    if active.get("overcurrent", 0) > OVER_ms + METER_ms + OBEY_ms + TICK_ms:
        m.fail("overcurrent", "still closed")
    if active.get("hot", 0) > HOT_ms + OBEY_ms:
        m.fail("hot", "still closed")
    if active.get("voltage", 0) > VOLTAGE_ms:
        m.fail("voltage", "still closed")


def _must_close(m, state, duty, coil, dt_ms):
    """It must also charge: a station that does nothing would be safe."""
    fine = (
        not m.excuse_ms
        and not m.active
        and not m.latched
        and not m.doubt
        and not m.dead_closings
        and m.calm_ms > (2000 if not m.since else 66000)
    )
    # A car in C that was offered energy has it within 3 s (docs/electrical.md 3, seq. 4): who
    # has to rest the contactor, to lock or to test must not offer it so early.
    if fine and state == "C" and offered_mA(duty) and not coil:
        m.want_ms += min(dt_ms, TICK_ms)
        if m.want_ms > CLOSE_ms:
            m.fail("dead", "offers %d mA and does not close" % offered_mA(duty))
    else:
        m.want_ms = 0
    if fine and state in "BC" and m.granted_mA >= 6000 and duty == X1 and not m.hold_ms:
        m.idle_ms += min(dt_ms, TICK_ms)
        if m.idle_ms > OFFER_ms:
            m.fail("idle", "offers nothing of %d mA" % m.granted_mA)
    else:
        m.idle_ms = 0
