"""What smart charging must compute, by brute force; nothing is shared with firmware/.

Written from the design notes on smart charging before their implementation was read; the rules
stand in docs/smart-charging.md now (its sections and choices A1.. in brackets). Works on OCPP 1.6
payloads as they stand on the wire; a limit
is an integer of tenths, an instant an integer of seconds since 2020.

Ambiguous in the notes, and decided here:
* Two limits that are equal in the unit asked: either profile may be said to decide.
* Connector 0 in W: what a connector may take is converted as on that connector alone, with the
  fewest phases of its own limit and the ceiling; the sum is capped by the ceiling with its own.
* Clock not set (A17): it is `least` or later. What acts at all those instants is certain; what
  acts at some is at the lowest of all its periods, and caps beside what lies below it, whatever
  the level; so does what acts while a connector has not its level for itself (A11). What was
  valid from before 2020 or is valid until after 2054 needs no clock for that.
* The moment of receipt that a ceiling counts from (A6, A7) is an instant: it does not move when
  the clock is corrected, unless it was noted before the clock was set. If the power failed before
  that, nobody knows it: all of such a ceiling is at its lowest.
* What is replaced stays in force until the first begins that has its place or its id (A30), and
  for an hour it is found again if the clock goes back.

Oracle201 has the rules in which OCPP 2.0.1 differs; it takes the same payloads, which harness.py
translates.
"""

import bisect
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal

NOTHING = 10**6  # tenths: no limit
CAPACITY, MAX_LEVEL, MAX_PERIODS = 32, 15, 96
NEAR = 3  # seconds that a clock may be wrong by (A32)
NOTED = 300  # between two notes of the time on flash
HOUR = 3600
CEILING, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"
EPOCH = datetime(2020, 1, 1, tzinfo=timezone.utc)
_DOOMSDAY = 2**30 - 1  # early in 2054
UNSET = _DOOMSDAY  # a clock that is not set shows the least that it can be, less that
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:(Z)|([+-])(\d\d):?(\d\d))?$"
)


def instant(text):
    """Any offset, fractions dropped, UTC where there is no zone."""
    *fields, _, sign, hours, minutes = _ISO.match(text).groups()
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    zone = timezone(-offset if sign == "-" else offset)
    return int((datetime(*map(int, fields), tzinfo=zone) - EPOCH).total_seconds())


def iso(t):
    return (EPOCH + timedelta(seconds=t)).strftime("%Y-%m-%dT%H:%M:%SZ")


def tenths(number):
    """A JSON number in tenths; more decimals are cut off (A31)."""
    return int(Decimal(str(number)) * 10)


PLAUSIBLE = instant("2025-01-01T00:00:00Z")  # an earlier time was never known


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

        rate = schedule.get("minChargingRate")
        self.fields = [
            self.id, connector, self.level, self.purpose, self.kind, self.unit,
            self.transaction if self.purpose == TX else None,
            self.kind == "Recurring" and self.every, max(self.valid_from or 0, 0),
            self.valid_to, self.start, self.duration, rate is not None and tenths(rate),
            self.starts, self.says,
        ]  # fmt: skip
        self.begun = self.kept = False  # in any case, whatever the clock says; as it is on flash
        self.until = None  # of what is replaced: when its successor begins

    def place(self):
        """What a new profile must share with an old one to replace it (section 3)."""
        return self.purpose, self.level, self.connector

    def begins(self):
        """The first instant at which it is valid and its schedule has begun; 0: ever since."""
        begins = max(self.valid_from or 0, self.start or 0, 0)
        return 0 if self.begun else min(begins, _DOOMSDAY)

    def rules(self, t):
        """Has it its place for itself at `t`? From its first second on (A11), until its successor
        begins (A30)."""
        return self.begins() <= t and (self.until is None or t < self.until)

    def origin(self, begun):
        if self.start is not None:
            return self.start
        return self.received if self.purpose == CEILING else begun  # A6, A7

    def at(self, t, begun, elapsed=None):
        """(limit, unit, phases or None) if active at t (sections 1, 2), else None. `begun`: start
        of the transaction; `elapsed`: the seconds into the schedule if t does not tell."""
        if self.valid_from is not None and t < self.valid_from and not self.begun:
            return None
        if any(end is not None and t >= end for end in (self.valid_to, self.until)):  # A3, A30
            return None
        if elapsed is None:
            elapsed = t - self.origin(begun)
        if self.begun:
            elapsed = max(elapsed, 0)  # A32
        if elapsed < 0:  # A4
            return None
        if self.kind == "Recurring":
            elapsed %= self.every  # A5
        if self.duration is not None and elapsed >= self.duration:  # A10
            return None
        return self.says[bisect.bisect_right(self.starts, elapsed) - 1]

    def dark(self, now, least, begun, doubt):
        """(what it may say, is it certain that it is active?) while the clock is not set, shows
        `now` and it is `least` or later; None: it is over, or empty. `doubt`: another may have
        its level for itself."""
        origin = self.origin(begun)
        recurs = self.kind == "Recurring"
        if recurs and origin < 0:
            origin = origin % self.every - self.every  # (what lies before 2020 is not kept)
        ends = self.duration is not None and self.duration < _DOOMSDAY
        noted = self.start is None and origin <= now  # by the same clock
        elapsed = now - origin if noted else None
        passed = max(least - origin, 0) if elapsed is None else elapsed
        if self.start is None and elapsed is None and origin < 0:
            passed = 0  # noted by a clock that showed more than this one: nobody knows
        if any(end is not None and least >= end for end in (self.valid_to, self.until)):
            return None
        if self.duration is not None and passed >= self.duration * (not recurs):
            if not recurs or not self.duration:
                return None
        edges = [origin, self.valid_from, self.valid_to, self.until, least, _DOOMSDAY - 1]
        edges += [origin + s for s in self.starts]
        if recurs:
            first = max(least, origin)
            run = first - (first - origin) % self.every
            edges += [run + k * self.every + (self.duration or 0) for k in (-1, 0, 1)]
            edges += [run + k * self.every for k in (0, 1, 2)]
        said = []
        for t in {e + d for e in edges if e is not None for d in (-1, 0)}:
            if least <= t < _DOOMSDAY:
                runs = t - origin if recurs else elapsed
                if self.start is None:
                    runs = max(t - origin, 0)
                said.append(self.at(t, origin, runs if elapsed is None else elapsed))
        certain = not doubt and all(said) and (recurs or elapsed is not None or not ends)
        if certain and not recurs:
            return said, True
        # (What was over before 2020 is no longer known.)
        return self.ever(max(0, -origin) if self.start is not None and not recurs else 0), certain

    def ever(self, passed=0):
        """What it may say if it counts from 2020 or later, `passed` seconds into the schedule."""
        first = max(bisect.bisect_right(self.starts, passed) - 1, 0)
        return self.says[first : bisect.bisect_left(self.starts, passed + _DOOMSDAY)]


class Oracle:
    """A charge point: what is installed, what runs, and what both mean at any second."""

    unknown = "PropertyConstraintViolation"  # what an unknown connector earns

    def __init__(self, connectors=1, volts=230, hardware=320, now=0):
        self.volts, self.hardware, self.now = volts, hardware, now
        self.told = now  # when the Central System said the time last
        self.before = 0  # the latest that it was by then, at the power cuts since
        self.numbers = range(1, connectors + 1)
        self.profiles = []
        self.staying = []  # replaced, and in force until their successors begin
        self.tx = {}  # connector: [transactionId or None, its start]
        self.held = {}  # connector: profile or None, of a RemoteStart that waits for its car
        self.silent = False  # the Central System does not answer StartTransaction for now
        self.ids = {}  # connector: transactionId to come
        self.known = True  # False: the clock is not set
        self.resumed = set()  # connectors with a transaction from before the clock was lost
        self.outside = {}  # (source, number): tenths, until when or None, what then or None
        self.untold = []  # when transactions began and ended that nobody has heard to their end

    def least(self):
        """The earliest that it can be."""
        return self.now if self.known else self.at_least(self.now)

    def latest(self):
        """The latest that it was for certain; after it the Central System comes back."""
        return max(self.before, self.least())

    def at_least(self, t):
        return t + UNSET if t + UNSET >= PLAUSIBLE else 0

    # --- what happens

    def replaces(self, p, q):
        """True if `q` goes when `p` is installed."""
        return q.id == p.id or q.place() == p.place()

    follows = replaces  # True if `q`, which was replaced, is in force until `p` begins

    def set(self, connector, payload):
        if connector not in (0, *self.numbers):
            return self.unknown
        if not self.acceptable(payload):
            return "Rejected"
        p = Profile(connector, payload, self.now)
        if p.purpose == CEILING and connector or p.purpose == TX and not connector:
            return "Rejected"
        if p.purpose == TX and (connector not in self.tx or not self.meant(p, connector)):
            return "Rejected"
        if any(self.clashes(p, q) for q in self.profiles):
            return "Rejected"
        return self._install(p)  # (A13: on another purpose the transactionId is ignored)

    def meant(self, p, connector):
        """The transaction that runs there is the one of the TxProfile `p`."""
        return p.transaction in (None, self.tx[connector][0])

    def clashes(self, p, q):
        """`q` is installed, and `p` must not be."""
        return False

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
        return [q for q in self.profiles if not self.replaces(p, q)]

    def _install(self, p):
        rest = self._without_replaced(p)
        if len(rest) >= CAPACITY:
            return "Rejected"
        least, most = self.least(), self.now if self.known else _DOOMSDAY
        if p.purpose == CEILING and p.start is None:
            p.received = self.now
            p.begun = True
        elif self.known and -NEAR < p.begins() - self.now <= NEAR:  # A32
            p.begun = True
        p.kept = p.begun
        gone = [q for q in self.profiles if q not in rest]
        if [q.fields for q in gone] == [p.fields] and gone[0].origin(0) == p.origin(0):
            gone[0].begun |= p.begun
        else:
            stay = [q for q in gone if q.begins() <= most] if p.begins() > least else []  # A30
            places = [q.place() for q in stay]
            if any(s.place() in places and s.until > least for s in self.staying):
                return "Rejected"  # one of the two is in force, and there is room for one
            self.staying = [q for q in self.staying if q.place() not in places]
            if len(self.staying) + len(stay) > CAPACITY:
                self._link(least + HOUR)
            if len(self.staying) + len(stay) > CAPACITY:
                return "Rejected"
            for q in stay:
                q.begun = q.kept = q.begun or q.begins() <= least
            self._end([*rest, p], least)
            for s in self.staying:  # what has nobody left to wait for waits for this one
                left = [q for q in [*rest, p] if self.follows(q, s)]
                if not left and s.until > least:
                    s.id = p.id
            self.profiles = [*rest, p]
            self.staying += stay
        self._link(least)
        return "Accepted"

    def _end(self, there, least):
        """What is over does not come back because what has ended it goes."""
        begun = [q for q in there if q.begins() <= least]
        self.staying = [
            s for s in self.staying if s.until > least or any(self.follows(q, s) for q in begun)
        ]

    def _link(self, least=0):
        for s in self.staying:
            s.until = min(
                [q.begins() for q in self.profiles if self.follows(q, s)],
                default=None,
            )
        self.staying = [s for s in self.staying if s.until is not None and s.until + HOUR > least]

    def clear(self, criteria):
        """ClearChargingProfile."""
        return self.gone(criteria)

    def gone(self, criteria):
        """What these criteria name is removed."""

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
        self.staying = [p for p in self.staying if not matches(p)]
        self._end(self.profiles, self.least())
        self._link()
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
        self.untold.clear()
        for connector, tx in self.tx.items():
            tx[0] = self.ids[connector]

    def end(self, connector):
        self.resumed.discard(connector)
        tx = self.tx.pop(connector, None)
        if tx:
            if self.silent or not self.known:
                self.untold += [tx[1], self.now]
            self.gone({"connectorId": connector, "chargingProfilePurpose": TX})

    def impose(self, number, by, tenths, seconds, safe):
        """A limit from outside the Central System (section 8); tenths None: it is over."""
        self.outside.pop((by, number), None)
        if tenths is not None:
            until = None if seconds is None else self.now + seconds
            self.outside[by, number] = tenths, until, safe

    def imposed(self, number, t):
        """What limits from outside leave at `t`, in tenths; of 0: to all together."""
        out = [NOTHING]
        for (_, n), (tenths, until, safe) in self.outside.items():
            over = until is not None and (t if self.known else self.at_least(t)) >= until
            if n in (0, number) and not (over and safe is None):
                out.append(safe if over else tenths)
        return min(out)

    def drifted(self, t):
        """A clock that is told `t` believes its crystal (100 ppm since it was told the time) for a
        part: nobody knows which second it shows. (1.7 s: what both do not know anyway.)"""
        return abs(abs(t - self.now) * 1000 - (self.now - self.told) // 10) <= 1700

    def clock(self, t):
        """The clock is corrected; what is elapsed stays elapsed."""
        jump = t - self.now
        if self.known:
            for key, (tenths, until, safe) in self.outside.items():
                self.outside[key] = tenths, until and until + jump, safe
        self.now = self.told = t
        self.before = 0
        for connector, tx in self.tx.items():
            if connector not in self.resumed:
                tx[1] += jump
            elif tx[1] < 0:
                # From an earlier start without a clock, so as far as the time was known then.
                # (Others began by a clock that was right.)
                tx[1] = self.at_least(tx[1]) or tx[1] + jump

    def reboot(self):
        self.held.clear()  # (if the transaction never starts, drop it)
        for key, (tenths, _, safe) in self.outside.items():
            if safe is not None:  # nobody knows whether it goes on speaking
                self.outside[key] = min(tenths, safe), None, None
        for p in self.profiles + self.staying:
            p.begun = p.kept
            if p.purpose == CEILING and p.start is None and p.received < 0:
                # It was received by a clock that was not set: nobody knows how long ago.
                p.says = [min(p.ever(), key=per_phase)] * len(p.says)
        self._link(HOUR)

    def cut(self, noted=None):
        """The power is cut, and with it the clock; `noted`: the last time that was, or is
        believed to be the least that it can have been."""
        self.reboot()
        self.before = max(self.before, self.least())
        # (What is kept of a transaction has times that there were, too: of one that runs, and of
        # one that is over until the Central System has heard of it.)
        times = [tx[1] for tx in self.tx.values()] + self.untold
        last = max((t if t >= 0 else self.at_least(t) for t in times), default=0)
        if noted and 0 < last - noted <= NOTED:
            noted = last
        self.now, self.known = (noted or 0) - UNSET, False
        self.resumed = set(self.tx)

    def restore(self, t):
        """The Central System says what time it is."""
        for p in self.profiles + self.staying:
            if p.purpose == CEILING and p.start is None and p.received < 0:
                p.received += t - self.now
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
        if begun is not None and begun < 0 and connector in self.resumed:
            begun += UNSET  # (it began without a clock before a power cut, or earlier)
        installed = self.staying + self.profiles  # (of one place: while it is in force)
        least = t if self.known else self.at_least(t)
        own = [p for p in installed if p.connector == connector and p.purpose == DEFAULT]
        whens = [t]
        if not self.known:  # every instant from `least` on at which it may be another
            whens = [when for p in own for when in (p.begins(), p.until) if when is not None]
            whens = [least, *(when for when in whens if least < when < _DOOMSDAY)]
        stack, doubted = [], []
        if connector:
            if running:
                stack += self.sorted(TX, [p for p in installed if p.connector == connector])
            defaults = own[:]
            for p in (p for p in installed if not p.connector and p.purpose == DEFAULT):
                taken = [any(q.level == p.level and q.rules(when) for q in own) for when in whens]
                if not all(taken):  # A11
                    defaults.append(p)
                    doubted += [p] * any(taken)
            stack += self.sorted(DEFAULT, defaults)  # A2
        return [
            *self.top(stack, t, begun, doubted),
            *self.top(self.sorted(CEILING, installed), t, begun),
        ]

    def sorted(self, purpose, profiles):
        """Those of one purpose, highest level first."""
        profiles = [p for p in profiles if p.purpose == purpose]
        return sorted(profiles, key=lambda p: (-p.level, -p.connector))

    def top(self, stack, t, begun, doubted=()):
        """Of the active profiles the one with the highest level (A1), as [(id, limit, unit,
        phases)]; none where none is. While the clock is not set, beside it what may be active."""
        out = []
        for p in stack:
            if self.known:
                said = p.at(t, begun)
                if said:
                    return [(p.id, *said)]
                continue
            said = p.dark(t, self.at_least(t), begun, p in doubted)  # A17
            if said:
                out.append((p.id, *min(said[0], key=lambda said: self.amps((p.id, *said)))))
                if said[1]:
                    break
        return out

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
            return self._capped(said, fewest(said), unit, number, t), given(said)
        ceiling = self.deciders(0, t, asked)
        total, all_said = 0, list(ceiling)
        for connector in self.numbers:
            said = self.deciders(connector, t, asked)
            all_said += said
            total += self._capped(said, fewest(said), unit, connector, t)
        for c in ceiling:  # A27
            total = min(total, self._in(unit, c, fewest([c])))
        most = (None, self.imposed(0, t), "A", None)
        return min(total, self._in(unit, most, 3)), given(all_said)

    def _in(self, unit, said, phases):
        return self.amps(said) if unit == "A" else self.watts(said, phases)

    def _capped(self, said, phases, unit, number, t):
        hardware = (None, min(self.hardware, self.imposed(number, t)), "A", None)  # A24
        return min(self._in(unit, s, phases) for s in [*said, hardware])


class Oracle201(Oracle):
    """What OCPP 2.0.1 says otherwise (K01, K05)."""

    unknown = "Rejected"  # K01.FR.28

    def acceptable(self, payload):
        """K01.FR.38, K01.FR.40, K01.FR.41 beside what both say."""
        kind = payload["chargingProfileKind"]
        if (kind == "Relative") == ("startSchedule" in payload["chargingSchedule"]):
            return False
        if kind == "Relative" and payload["chargingProfilePurpose"] == CEILING:
            return False
        return super().acceptable(payload)

    def meant(self, p, connector):
        """K01.FR.03, K01.FR.33: it has a name of ours from the beginning."""
        return p.transaction is not None and p.transaction == self.ids[connector]

    def replaces(self, p, q):
        """K01.FR.05."""
        return q.id == p.id

    def follows(self, p, q):
        """Who takes a part of its time ends it too."""
        return q.id == p.id or q.place() == p.place() and overlap(p, q)

    def clashes(self, p, q):
        """K01.FR.06, K01.FR.39, K01.FR.52, K01.FR.53."""
        if q.id == p.id or (q.purpose, q.level) != (p.purpose, p.level):
            return False
        if q.connector != p.connector:
            return p.purpose == DEFAULT and 0 in (q.connector, p.connector)
        return p.purpose == TX or overlap(p, q)

    def installed(self):
        """What GetChargingProfiles should tell: [(evseId, ChargingProfileType)], instants as
        seconds, limits in tenths."""
        return [(p.connector, self._told(p)) for p in self.profiles]

    def _told(self, p):
        schedule, rate = p.payload["chargingSchedule"], None
        if "minChargingRate" in schedule:
            rate = tenths(schedule["minChargingRate"])
        periods = [
            {"startPeriod": s, "limit": limit, "numberPhases": phases}
            for s, (limit, _, phases) in zip(p.starts, p.says, strict=True)
        ]
        transaction = f"tx:{self.ids[p.connector]}" if p.purpose == TX else None
        told = {
            "id": p.id,
            "stackLevel": p.level,
            "chargingProfilePurpose": PURPOSES_201.get(p.purpose, p.purpose),
            "chargingProfileKind": p.kind,
            "recurrencyKind": p.payload.get("recurrencyKind"),
            "validFrom": p.valid_from,
            "validTo": p.valid_to,
            "transactionId": transaction,
            "chargingSchedule": [
                {
                    "id": p.id,
                    "startSchedule": p.start,
                    "duration": p.duration,
                    "minChargingRate": rate,
                    "chargingRateUnit": p.unit,
                    "chargingSchedulePeriod": periods,
                }
            ],
        }
        return without_none(told)


PURPOSES_201 = {CEILING: "ChargingStationMaxProfile"}  # of those that have another name there
ORACLES = {"ocpp1.6": Oracle, "ocpp2.0.1": Oracle201}


def without_none(value):
    """JSON without what is None."""
    if isinstance(value, list):
        return [without_none(one) for one in value]
    if isinstance(value, dict):
        return {k: without_none(one) for k, one in value.items() if one is not None}
    return value


def overlap(p, q):
    """There is an instant at which both are valid; what nobody could tell apart (A17) counts as
    before 2020, or after 2054."""
    begin = max(max(o.valid_from or 0, 0) for o in (p, q))
    ends = [_DOOMSDAY if o.valid_to is None else o.valid_to for o in (p, q)]
    return min(begin, _DOOMSDAY) < min([*ends, _DOOMSDAY])


def per_phase(said):
    """To compare what one profile says."""
    limit, unit, phases = said
    return limit if unit == "A" else limit // (phases or 3)


def given(said):
    """The fewest phases of those given, None where nobody gave any."""
    return min((s[3] for s in said if s[3]), default=None)


def fewest(said):
    return given(said) or 3
