"""What smart charging must compute, by brute force; nothing is shared with firmware/.

Written from the design notes on smart charging alone (chapters and choices A1..A29 in brackets)
before their implementation was read. Works on OCPP 1.6 payloads as they stand on the wire; a limit
is an integer of tenths, an instant an integer of seconds since 2020.

Ambiguous in the notes, and decided here:
* Two limits that are equal in the unit asked: either profile may be said to decide.
* Connector 0 in W: what a connector may take is converted as on that connector alone, with the
  fewest phases of its own limit and the ceiling; the sum is capped by the ceiling with its own.
* Clock not set (A17): a TxProfile that cannot be placed stays at its lowest, like the ceiling, and
  so does what counts from a transaction that began before the power cut.
  What was valid from before 2020 or is valid until after 2054 needs no clock for that.
* The moment of receipt that a ceiling counts from (A6, A7) is an instant: it does not move when
  the clock is corrected.
"""

import bisect
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

CAPACITY, MAX_LEVEL, MAX_PERIODS = 32, 15, 96
CEILING, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)
_DOOMSDAY = 2**30 - 1  # early in 2054
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:(Z)|([+-])(\d\d):?(\d\d))?$"
)


def instant(text):
    """11.1: any offset, fractions dropped, UTC where there is no zone."""
    *fields, _, sign, hours, minutes = _ISO.match(text).groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    return int((datetime(*map(int, fields), tzinfo=zone) - EPOCH).total_seconds())


def iso(t):
    return (EPOCH + timedelta(seconds=t)).strftime("%Y-%m-%dT%H:%M:%SZ")


def tenths(number):
    """A JSON number in tenths; more decimals are cut off (A31)."""
    return int(Decimal(str(number)) * 10)


class Profile:
    """A payload with its dates read. `received`: when it came."""

    def __init__(self, connector, payload, received):
        schedule = payload["chargingSchedule"]
        self.payload, self.connector, self.received = payload, connector, received
        self.id, self.level = payload["chargingProfileId"], payload["stackLevel"]
        self.purpose, self.kind = (
            payload["chargingProfilePurpose"],
            payload["chargingProfileKind"],
        )
        self.transaction = payload.get("transactionId")
        self.valid_from = instant(payload["validFrom"]) if "validFrom" in payload else None
        self.valid_to = instant(payload["validTo"]) if "validTo" in payload else None
        start = schedule.get("startSchedule")
        self.start = instant(start) if start and self.kind != "Relative" else None
        self.every = {"Daily": 86400, "Weekly": 604800}.get(payload.get("recurrencyKind"))
        self.duration = schedule.get("duration")
        self.unit = schedule["chargingRateUnit"]
        periods = schedule["chargingSchedulePeriod"]
        self.starts = [p["startPeriod"] for p in periods]
        self.says = [(tenths(p["limit"]), self.unit, p.get("numberPhases")) for p in periods]

    def place(self):
        """What a new profile must share with an old one to replace it (7, rule 2)."""
        return self.purpose, self.level, self.connector

    def placed(self, begun):
        """Can it be placed without a clock (11.2)?"""
        if self.purpose == CEILING or self.start is not None:
            return False
        over = self.valid_to is not None and self.valid_to < _DOOMSDAY
        return begun and not over and (self.valid_from or 0) <= 0

    def at(self, t, begun, known=True):
        """(limit, unit, phases or None) if active at t (2.2 to 2.4), else None. `begun`: start of
        the transaction; `known`: does t tell what is valid?"""
        if not known:
            pass  # only what is valid at any time is asked for
        elif self.valid_from is not None and t < self.valid_from:
            return None
        elif self.valid_to is not None and t >= self.valid_to:  # A3
            return None
        origin = self.start
        if origin is None:  # A6, A7
            origin = self.received if self.purpose == CEILING else begun
        elapsed = t - origin
        if elapsed < 0:  # A4
            return None
        if self.kind == "Recurring":
            elapsed %= self.every  # A5
        if self.duration is not None and elapsed >= self.duration:  # A10
            return None
        return self.says[bisect.bisect_right(self.starts, elapsed) - 1]


class Oracle:
    """A charge point: what is installed, what runs, and what both mean at any second."""

    def __init__(self, connectors=1, volts=230, hardware=320, now=0):
        self.volts, self.hardware, self.now = volts, hardware, now
        self.numbers = range(1, connectors + 1)
        self.profiles = []
        self.tx = {}  # connector: [transactionId or None, its start]
        self.held = {}  # connector: profile or None, of a RemoteStart that waits for its car
        self.silent = False  # the Central System does not answer StartTransaction for now
        self.ids = {}  # connector: transactionId to come
        self.known = True  # False: the clock is not set
        self.resumed = set()  # connectors with a transaction from before the clock was lost

    # --- what happens

    def set(self, connector, payload):
        if connector not in (0, *self.numbers):
            return "PropertyConstraintViolation"
        if not self.acceptable(payload):
            return "Rejected"
        p = Profile(connector, payload, self.now)
        if p.purpose == CEILING and connector or p.purpose == TX and not connector:
            return "Rejected"
        if p.purpose == TX:
            if connector not in self.tx:
                return "Rejected"
            if p.transaction is not None and p.transaction != self.tx[connector][0]:
                return "Rejected"
        return self._install(p)  # (A13: on another purpose the transactionId is ignored)

    def acceptable(self, payload):
        """The rows of 6 that need nothing but the profile itself."""
        schedule = payload["chargingSchedule"]
        periods = schedule["chargingSchedulePeriod"]
        starts = [p["startPeriod"] for p in periods]
        recurring = payload["chargingProfileKind"] == "Recurring"
        return (
            0 <= payload["stackLevel"] <= MAX_LEVEL
            and 1 <= len(periods) <= MAX_PERIODS
            and starts[0] == 0
            and all(a < b for a, b in zip(starts, starts[1:], strict=False))
            and all(p["limit"] >= 0 and 1 <= p.get("numberPhases", 3) <= 3 for p in periods)
            and schedule.get("duration", 0) >= 0
            and not (recurring and "recurrencyKind" not in payload)
            and not (recurring and "startSchedule" not in schedule)  # A8
        )

    def _without_replaced(self, p):
        return [q for q in self.profiles if q.id != p.id and q.place() != p.place()]

    def _install(self, p):
        rest = self._without_replaced(p)
        if len(rest) >= CAPACITY:
            return "Rejected"
        self.profiles = [*rest, p]
        return "Accepted"

    def clear(self, criteria):
        def matches(p):
            if "id" in criteria:
                return p.id == criteria["id"]
            return (
                criteria.get("connectorId", p.connector) == p.connector
                and criteria.get("chargingProfilePurpose", p.purpose) == p.purpose
                and criteria.get("stackLevel", p.level) == p.level
            )

        gone = [p for p in self.profiles if matches(p)]
        self.profiles = [p for p in self.profiles if p not in gone]
        return "Accepted" if gone else "Unknown"  # A16

    def remote_start(self, connector, payload=None):
        if connector in self.tx or connector in self.held or connector not in self.numbers:
            return "Rejected"
        p = None
        if payload is not None:
            if payload["chargingProfilePurpose"] != TX or "transactionId" in payload:
                return "Rejected"
            if not self.acceptable(payload):
                return "Rejected"
            p = Profile(connector, payload, self.now)
            if len(self._without_replaced(p)) >= CAPACITY:
                return "Rejected"
        self.held[connector] = p
        return "Accepted"

    def plug(self, connector, transaction):
        """The car of a RemoteStart comes."""
        if connector in self.held:
            p = self.held.pop(connector)
            # Full meanwhile: it must not charge without the limit that it was granted with.
            if p is None or self._install(p) == "Accepted":
                self._run(connector, transaction)

    def expire(self):
        """No car comes."""
        self.held.clear()

    def begin(self, connector, transaction):
        """A local start: what a RemoteStart has left must not reach it."""
        if connector not in self.tx:
            self.held.pop(connector, None)
            self._run(connector, transaction)

    def _run(self, connector, transaction):
        unheard = self.silent or not self.known
        self.tx[connector] = [None if unheard else transaction, self.now]
        self.ids[connector] = transaction

    def answer(self):
        self.silent = False
        for connector, tx in self.tx.items():
            tx[0] = self.ids[connector]

    def end(self, connector):
        self.resumed.discard(connector)
        if self.tx.pop(connector, None):
            self.profiles = [
                p for p in self.profiles if (p.purpose, p.connector) != (TX, connector)
            ]

    def clock(self, t):
        """11.4: the clock is corrected; what is elapsed stays elapsed."""
        jump = t - self.now
        self.now = t
        for connector, tx in self.tx.items():
            if connector not in self.resumed:  # (those began by a clock that was right)
                tx[1] += jump

    def reboot(self):
        self.held.clear()  # 9: if the transaction never starts, drop it

    def cut(self):
        """The power is cut, and with it the clock: it counts from 2000 on."""
        self.reboot()
        self.now, self.known = instant("2000-01-01T00:00:00Z"), False
        self.resumed = set(self.tx)

    def restore(self, t):
        """The Central System says what time it is."""
        self.clock(t)
        self.known = True
        self.resumed.clear()
        if not self.silent:
            self.answer()

    # --- what holds

    def deciders(self, connector, t, begun=None):
        """[what TX says, what MAX says], without those that say nothing, each (id, limit, unit,
        phases). `begun`: when the transaction is taken to begin if none runs (A25)."""
        running = connector in self.tx
        begun = self.tx[connector][1] if running else begun
        own = [p for p in self.profiles if p.connector == connector]
        out = []
        if connector:
            said = None
            if running:
                said = self.top([p for p in own if p.purpose == TX], t, begun, connector)
            if said is None:  # A2
                taken = [p.level for p in own if p.purpose == DEFAULT]
                stack = [
                    p
                    for p in self.profiles
                    if p.purpose == DEFAULT
                    and (p.connector == connector or not p.connector and p.level not in taken)
                ]  # A11
                said = self.top(stack, t, begun, connector)
            out.append(said)
        out.append(self.top([p for p in self.profiles if p.purpose == CEILING], t, begun))
        return [said for said in out if said]

    def top(self, profiles, t, begun, connector=0):
        """3: of the active profiles the one with the highest level (A1), as (id, limit, unit,
        phases); None where none is."""
        for p in sorted(profiles, key=lambda p: -p.level):
            if self.known or p.placed(connector not in self.resumed):
                said = p.at(t, begun, self.known)
            elif p.purpose == DEFAULT and not p.placed(True):  # A17
                continue
            else:
                said = min(p.says, key=lambda said: self.amps((p.id, *said)))
            if said:
                return (p.id, *said)
        return None

    def amps(self, said):
        _, limit, unit, phases = said
        return limit if unit == "A" else limit // (self.volts * (phases or 3))  # A18, A21

    def watts(self, said, phases):
        _, limit, unit, _ = said
        return limit if unit == "W" else limit * self.volts * phases

    def limit(self, connector, t):
        """(limit in 0.1 A or None, ids of those that may be said to decide) on the way to the
        pilot: what the profiles say, without the hardware."""
        said = self.deciders(connector, t, t)
        if not said:
            return None, {None}
        lowest = min(map(self.amps, said))
        return lowest, {s[0] for s in said if self.amps(s) == lowest}

    def composite(self, number, t, asked, unit):
        """(limit, phases or None) that GetCompositeSchedule, asked at `asked`, says for t."""
        if number:
            said = self.deciders(number, t, asked)
            return self._capped(said, fewest(said), unit), given(said)
        ceiling = self.deciders(0, t, asked)
        total, all_said = 0, list(ceiling)
        for connector in self.numbers:
            said = self.deciders(connector, t, asked)
            all_said += said
            total += self._capped(said, fewest(said), unit)
        for c in ceiling:  # A27
            total = min(total, self._in(unit, c, fewest([c])))
        return total, given(all_said)

    def _in(self, unit, said, phases):
        return self.amps(said) if unit == "A" else self.watts(said, phases)

    def _capped(self, said, phases, unit):
        hardware = (None, self.hardware, "A", None)  # A24
        return min(self._in(unit, s, phases) for s in [*said, hardware])


def given(said):
    """12.3: the fewest phases of those given, None where nobody gave any."""
    return min((s[3] for s in said if s[3]), default=None)


def fewest(said):
    return given(said) or 3
