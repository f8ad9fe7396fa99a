# Bench mode, by the console: the pilot and the contactor of a connector without a car, for a
# voltmeter and an oscilloscope. What is wrong with the hardware is watched as ever.

from micropython import const

from firmware import log
from firmware.electrical import faults
from firmware.electrical.pilot import STEADY, A, advertisable_mA, duty_u16

_STAY_ms = const(300000)
_TICKS = const(0x3FFFFFFF)


class Bench:
    """Stands in for the Controller of connector `c`, at `outlet` (outlet.Outlet), five minutes:
    it has that one's tick and attributes but for the outputs. At the first sign of a car, a
    transaction, a fault or of somebody who puts the connector into service the Controller has its
    place again, in the same tick."""

    def __init__(self, c, outlet, station):
        self._c = c
        self._outlet = outlet
        self._station = station
        self.real = c.controller
        self._last_ms = None
        self.left_ms = _STAY_ms
        self.duty_u16 = self.real.duty_u16  # (what is on the line: the self-test may be at it)
        self.pilot_mA = 0
        self.closed = False
        self.allow_mA = 0  # what is to be advertised
        self.close = False  # the contactor is wanted

    def __getattr__(self, name):
        return getattr(self.real, name)

    def tick(self, now_ms, high_mV, low_mV, allow_mA):
        real = self.real
        if self._last_ms is not None:
            self.left_ms -= (now_ms - self._last_ms) & _TICKS
        self._last_ms = now_ms
        real.closed = self.closed  # (its parts are to know)
        real.tick(now_ms, high_mV, low_mV, 0)
        why = self._failed()
        if why:
            real.closed = self.closed = False
            self.duty_u16, self.pilot_mA = real.duty_u16, 0
            self._c.controller = self._outlet.controller = real
            self._station.put_in_service()
            log.warning("connector %d: bench mode has ended: %s" % (self._c.number, why))
            return
        self.pilot_mA = advertisable_mA(self.allow_mA)
        self.duty_u16 = real.duty_u16
        if real.duty_u16 == STEADY:
            self.duty_u16 = duty_u16(self.allow_mA)
        self.closed = real.closed = self.close and self._enough()

    def _failed(self):
        real, c = self.real, self._c
        if faults.REACTION[real.fault]:
            return "there is a fault"
        if real.state != A:
            return "a car is there"
        if c.tx or c.tag or c.operative or c.ending:
            return "the connector is wanted"
        return "it was ended, or its time is over" if self.left_ms <= 0 else None

    def _enough(self):
        # (the lock and the cable's coding wait for a plug, which must not be there)
        for part in self.real.parts:
            if (
                not part.ready
                and part is not self._outlet.lock
                and part is not self._outlet.proximity
            ):
                return False
        return True


def bench(unit, word, connectors):
    c = _connector(connectors)
    on = _wanted(word)
    if hasattr(c.controller, "left_ms"):
        c.controller.left_ms = _STAY_ms if on else 0
        yield "connector %d: %s" % (c.number, "bench mode goes on" if on else "bench mode ends")
        return
    if not on:
        yield "connector %d: not in bench mode" % c.number
        return
    if not c.settled():
        raise ValueError("connector %d: nobody knows yet whether a car is there" % c.number)
    if c.tx or c.tag or c.plugged():
        raise ValueError("connector %d: a car is connected, or a transaction runs" % c.number)
    if c.ending or faults.REACTION[c.controller.fault]:
        raise ValueError("connector %d: there is a fault, or a reset is under way" % c.number)
    c.operative = False
    outlet = unit.outlets[c.number - 1]
    c.controller = outlet.controller = Bench(c, outlet, unit.station)
    log.warning("connector %d: bench mode" % c.number)
    yield "for %d s: connector %d is out of service" % (_STAY_ms // 1000, c.number)
    yield "pilot 6 ... 80 and contactor on work until a car is connected; bench off ends it"


def pilot(unit, text, connectors):
    c = _check(connectors)
    if text != "off" and (not text.isdigit() or not 6 <= int(text) <= 80):
        raise ValueError("say 6 to 80 amperes, or off")
    c.controller.allow_mA = 0 if text == "off" else int(text) * 1000
    yield "connector %d: from the next tick on the pilot is at %s" % (
        c.number,
        "a steady +12 V"
        if text == "off"
        else "the duty of %d A" % (advertisable_mA(int(text) * 1000) // 1000),
    )


def contactor(unit, word, connectors):
    c = _check(connectors)
    c.controller.close = _wanted(word)
    yield "connector %d: the contactor %s" % (
        c.number,
        "closes at the next tick, if all parts of the hardware are ready"
        if c.controller.close
        else "opens at the next tick",
    )


def _connector(connectors):
    if len(connectors) > 1:
        raise ValueError("which connector? There are 1 to %d" % len(connectors))
    return connectors[0]


def _check(connectors):
    c = _connector(connectors)
    if not hasattr(c.controller, "left_ms"):
        raise ValueError("connector %d: in bench mode only; see bench on" % c.number)
    return c


def _wanted(word):
    if word not in ("on", "off"):
        raise ValueError("say on or off")
    return word == "on"
