"""What the pilot may offer, and when it may change."""

from sim.car import offered_mA
from sim.rules.deadlines import (
    X1,
    CABLE_ms,
    CHANGED_ms,
    DUTY_ms,
    F,
    HOT_ms,
    METER_ms,
    OVER_ms,
    PE_ms,
    SENSOR_LONG_ms,
    SENSOR_ms,
    SIX_mA,
    TEST_F_ms,
    VOLTAGE_ms,
    rating_mA,
)


def look(m, state, duty, coil, core, dt_ms):
    offer = offered_mA(duty)
    was = m.duty
    pwm = offer > 0
    if not pwm and duty not in (X1, F) or duty > 62914 and duty != X1:
        m.fail("duty", "%d means nothing" % duty)
    granted = m.granted_mA
    if pwm and granted < 6000:
        m.fail("x1", "%d mA offered, %d granted: X1 is immediate" % (offer, granted))
    if offer > max(granted, SIX_mA):
        m.fail("limit", "%d mA offered, %d granted: less is immediate" % (offer, granted))
    m.duty_ms += dt_ms
    if duty != was:
        if 0 < offered_mA(was) < offer and m.duty_ms < DUTY_ms - m.spread_ms:
            m.fail("spacing", "more is offered %d ms after a change" % m.duty_ms)
        f_ms = m.f_ms + dt_ms
        if was == F and f_ms < 300:
            if f_ms >= TEST_F_ms - m.spread_ms and not coil and m.tests_left:
                m.tests_left -= 1
            elif m.outlet.stuck is None:
                m.fail("f", "state F for %d ms" % f_ms)
        m.note("duty %d, %d mA (granted %d)" % (duty, offer, granted))
        m.duty_ms = 0
        m.changes += 1
        m.offers.append((m.now_ms, offer))
        if len(m.offers) > 40:
            del m.offers[:20]
    m.f_ms = m.f_ms + dt_ms if duty == F == was else 0
    m.x1_ms = m.x1_ms + dt_ms if duty == X1 and was == X1 else 0
    if pwm and m.latched:
        m.fail("latched", "offers with " + ", ".join(m.latched))
    if pwm and m.active:
        _no_offer(m, offer)
    if pwm and "proximity" in m.fitted and state != "A":
        most = rating_mA(m.outlet.cable_ohm)
        m.cable_ms = m.cable_ms + core if offer > most else 0
        if m.cable_ms > CHANGED_ms:
            m.fail("cable", "%d mA offered on a cable for %d" % (offer, most))
    else:
        m.cable_ms = 0


def _no_offer(m, offer):
    """What must not be offered although it is granted."""
    active, hw = m.active, m.hardware_mA
    if active.get("pe", 0) > PE_ms or active.get("cable", 0) > CABLE_ms:
        m.fail("offer", "%d mA offered without PE or cable" % offer)
    if active.get("voltage", 0) > VOLTAGE_ms:
        m.fail("offer", "%d mA offered at a wrong voltage" % offer)
    if active.get("hot", 0) > HOT_ms:
        m.fail("hot", "%d mA offered" % offer)
    if active.get("warm", 0) > HOT_ms and offer > hw // 2:
        m.fail("warm", "%d mA offered" % offer)
    lost = active.get("sensor", 0)
    if lost > SENSOR_ms + HOT_ms and offer > SIX_mA or lost > SENSOR_LONG_ms + HOT_ms:
        m.fail("sensor", "%d mA offered without knowing the temperature" % offer)
    if active.get("overcurrent", 0) > OVER_ms + METER_ms:
        m.fail("overcurrent", "still offered")
