"""The owner's own rules: policy.py on the unit's file system, absent by default. What it may
define: examples/policy.py. A mistake in it must not lift the limit that it was to set: while it
is broken nobody gets more than its safe value, and a profile that it fails to judge is taken."""

import sys
import time
from micropython import const

from firmware.charging import limits, profile

_HOLD_s = const(60)  # a limit that is not said again gives way to the safe value after this
_WELL = const(60)  # polls without a fault, until it is believed again; between two logs of others
_SLOW_ms = const(250)  # so long for a function, three times in a row
_SLOW = const(3)
_TEXT = const(100)  # characters of a fault


class Profile:
    """A profile that is to be kept, as policy.py sees it.

    | id, connector, level | connector 0: the charge point |
    | purpose    | "transaction", "default" or "ceiling" |
    | unit       | "A", per phase, or "W", in all |
    | duration_s | None: without an end |
    | periods()  | tuples (start_s, thousandths of the unit, phases or 0) |"""

    def __init__(self, w):
        self.id = w[profile.ID]
        self.connector, self.level = profile.connector(w), profile.level(w)
        self.purpose = "transaction default ceiling".split(" ")[profile.purpose(w)]
        self.unit = "AW"[profile.rate(w)]
        self.duration_s = None if w[profile.DURATION] < 0 else w[profile.DURATION]
        self._w = w

    def periods(self):
        """In order, the first begins at 0."""
        w = self._w
        for i in range(profile.HEADER, len(w), 2):
            yield w[i], (w[i + 1] & 0xFFFFFF) * 100, w[i + 1] >> 24


class Policy:
    """What policy.py says, asked so that a mistake in it harms nobody.

    | module    | policy.py; None where there is none, or none that can be imported |
    | fault     | what is wrong with it, or None |
    | limit_mA  | the safe value: what each connector may take at most while it is broken |"""

    def __init__(self, log, limit_mA=6000):
        self._log, self.limit_mA = log, limit_mA
        self.module = self.fault = None
        self._bad = {}  # by function, since all was well: True if the latest call failed
        self._slow = {}  # by function: calls in a row
        self._well = self._quiet = 0  # polls since the last fault, and since one was logged
        self._logged = self._told = None  # that one, and the fault that was told
        self._said_mA, self._age = limit_mA, 0  # by local_limit, and how many polls ago
        try:
            import policy

            self.module = policy
            log("policy.py is in force")
        except BaseException as e:
            if not isinstance(e, ImportError) or "'policy'" not in str(e):  # (there is none)
                self._failed("import", e)

    def _failed(self, name, e):
        # Logged when it is new; what is another one with each call, once a minute.
        if isinstance(e, KeyboardInterrupt):
            raise e
        kind = name, type(e)
        if name not in self._bad or kind != self._logged and self._quiet >= _WELL:
            self.fault = "policy.py: " + name
            try:
                self.fault = ("%s: %r" % (self.fault, e))[:_TEXT]
                sys.print_exception(e)
            except Exception:
                pass  # (how it is written may be the policy's own too)
            self._log("%s: %d mA at most" % (self.fault, self.limit_mA))
            self._logged, self._quiet = kind, 0
        self._bad[name] = True
        self._well = 0

    def _ask(self, name, good, *args):
        # What a function of policy.py answers, if that is `good`; None: it failed.
        hook = getattr(self.module, name, None)
        if hook is None:
            return None
        try:
            began = time.ticks_ms()
            answer = hook(*args)
            took_ms = time.ticks_diff(time.ticks_ms(), began)
            if not good(answer):
                raise ValueError("%r" % (answer,))
            self._slow[name] = self._slow.get(name, 0) + 1 if took_ms > _SLOW_ms else 0
            if self._slow[name] >= _SLOW:
                raise ValueError("it took %d ms" % took_ms)
            if name in self._bad:
                self._bad[name] = False
            return answer
        except BaseException as e:
            return self._failed(name, e)

    def accept(self, w, station):
        """False: the profile of record `w` must not be kept. Where it fails to say it may, for a
        limit that is refused is none, and it is capped itself."""
        answer = self._ask("on_profile", lambda a: type(a) is bool, Profile(w), station)
        self._tell(station)
        return answer is not False

    def heard(self, transfer, accepted, data, station):
        """Was `transfer` accepted (None: no answer), and the text that came with it, or None."""
        self._ask("on_transfer", lambda _: True, transfer, accepted, data, station)
        self._tell(station)

    def local_limit(self, now_s, station):
        """Ask for the local limit and put it into every connector's slot; call once a second."""
        self._well += 1
        self._quiet += 1
        limit_mA = self._ask(
            "local_limit", lambda a: a is None or type(a) is int and a >= 0, now_s, station
        )
        if self._bad.get("local_limit"):
            self._age += 1
        else:
            self._said_mA, self._age = limit_mA, 0
        if self.fault and not any(self._bad.values()) and self._well >= _WELL:
            self.fault = None
            self._bad.clear()
            self._log("policy.py is in force again")
        if not self._tell(station):
            # without its word the last one holds for a while
            ends_s = now_s + _HOLD_s if hasattr(self.module, "local_limit") else limits.NEVER
            self._put(station, limit_mA, ends_s)

    def _tell(self, station):
        # A fault, to whom it concerns: every connector, at once, and the Central System. True
        # while there is one: then the safe value holds, or its last word for a while, if lower.
        if self.fault:
            limit_mA = self.limit_mA
            if self._said_mA is not None and self._age < _HOLD_s:
                limit_mA = min(limit_mA, self._said_mA)
            self._put(station, limit_mA, limits.NEVER)
        if self.fault != self._told:
            self._told = self.fault
            station.tell(None, station.clock.now())
        return self.fault

    def _put(self, station, limit_mA, ends_s):
        for c in station.connectors:
            if c.limits.values[limits.POLICY] != limit_mA:
                station.sharing.due_s = 0
            c.limits.put(limits.POLICY, limit_mA, ends_s, self.limit_mA)
