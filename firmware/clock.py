"""UTC as integer seconds since 2020-01-01, ISO 8601 in and out, and "is the clock set?". Why 2020:
an integer is free of heap below 2**30 on the ESP32, which lasts until 2054 from here."""

import re
import time
from micropython import const

FAR = const(0x3FFFFFFF)  # later than any instant that is ever compared: "never"

# "[GMT]": a Java back end names the zone too (RFC 9557).
_DATE_TIME = const(
    r"(\d\d\d\d)-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?(\[[ -~]*)?$"
)
_DAYS_2020 = const(737730)  # days from 0000-03-01 to 2020-01-01, proleptic Gregorian
_SECONDS_2000_2020 = const(631152000)  # MicroPython's epoch on the ESP32 is 2000-01-01
PLAUSIBLE = const(157852800)  # 2025-01-01: an RTC before this was never set
UNSET_s = const(FAR)  # a clock that is not set lags by that, and is before 2020 so (class Clock)
_NOTE_s = const(300)
_SMALL_ms = const(2000)  # corrections below it move nothing but the clock
_NEAR_ms = const(50)  # right enough
_SECOND_ms = const(500)  # where only the second is told: its middle, and as much either way


def parse_iso(text):
    """Seconds since 2020-01-01T00:00:00Z of an RFC 3339 date-time, without its fraction.
    Offsets are honoured ("+02:00", "+0200"); without a zone it is UTC (OCPP 1.6 ed. 2, 3.15).
    Raises ValueError for anything else."""
    match = re.match(_DATE_TIME, text)
    if not match:
        raise ValueError("not a date-time")
    year, month, day, hour, minute, second = [int(match.group(i)) for i in range(1, 7)]
    first = _days(year, month, 1)
    if not 1 <= month <= 12 or not 1 <= day <= _days(year, month + 1, 1) - first:
        raise ValueError("no such date")
    zone, offset_min = match.group(8) or "Z", 0
    if zone not in "Zz":
        hours, minutes = int(zone[:3]), int(zone[-2:])
        offset_min = hours * 60 + (minutes if zone[0] == "+" else -minutes)
        if abs(hours) > 23 or minutes > 59:
            raise ValueError("no such zone")
    if hour > 23 or minute > 59 or second > 60:  # 60: a leap second
        raise ValueError("no such time")
    return (first + day - 1) * 86400 + hour * 3600 + (minute - offset_min) * 60 + second


def fraction_ms(text):
    """The fraction of such a date-time; 0 where it has none."""
    fraction = re.match(_DATE_TIME, text).group(7) or "."
    return int((fraction[1:] + "000")[:3])


def format_iso(t):
    """The instant `t` (seconds since 2020) as "2026-11-20T10:00:00Z"."""
    return "%04d-%02d-%02dT%02d:%02d:%02dZ" % _civil(t)


def _days(year, month, day):  # (years begin in March: the leap day is the last one)
    if month <= 2:
        year, month = year - 1, month + 12
    days = 365 * year + year // 4 - year // 100 + year // 400
    return days + (153 * (month - 3) + 2) // 5 + day - 1 - _DAYS_2020


def _civil(t):
    days, second = divmod(t, 86400)
    days += _DAYS_2020
    era, days = divmod(days, 146097)
    year = (days - days // 1460 + days // 36524 - days // 146096) // 365
    days -= 365 * year + year // 4 - year // 100
    month = (5 * days + 2) // 153
    day = days - (153 * month + 2) // 5 + 1
    year += 400 * era
    if month >= 10:
        year, month = year + 1, month - 12
    return year, month + 3, day, second // 3600, second // 60 % 60, second % 60


class Clock:
    """The station's wall clock, kept by the RTC, which survives every reset but a power cut. After
    one it shows the time that was noted last (docs/clock.md), and until set() is called known() is
    False and now() is that less `UNSET_s`: what happened has an order, and an earliest time."""

    def __init__(self, rtc, path=None):
        """`path`: of the file, or None; `note()` says when it is written."""
        self._rtc, self._path = rtc, path
        self._ahead_s = 0  # of now() is the RTC
        self._kept_s = 0  # the time in the file
        self._past_s = -FAR  # now() has said that
        # By how much the clock may be wrong, either way, and as of when. None: nobody knows.
        self._doubt_ms = None
        self._checked_s = self._rest_ms = 0
        if not path:
            return
        guess = 0
        try:
            with open(path) as f:
                kept_s, guess = [int(word) for word in f.read().split(" ")]
            if 0 <= kept_s < FAR:
                self._kept_s = kept_s
        except OSError:
            pass  # there is none yet
        except ValueError:
            guess = 1  # (it is damaged: the RTC is not believed)
        shown_s = self.now()
        if shown_s < 0:  # the power was away: the RTC began with the year 2000
            self._ahead_s = UNSET_s - self._kept_s - _SECONDS_2000_2020
            self.note(_NOTE_s)
        elif guess or not self.plausible(shown_s):  # (no time was ever known)
            self._ahead_s = UNSET_s

    def now(self):
        """Seconds since 2020; a negative number while not set."""
        return max(time.time() - _SECONDS_2000_2020 - self._ahead_s, self._past_s)

    def known(self):
        """True once the time has been set since the power came."""
        return self.plausible(self.now())

    def plausible(self, t):
        """True if `t` is a time that a set clock could have shown."""
        return PLAUSIBLE <= t < FAR  # (what is beyond cannot be compared)

    def least_s(self):
        """The earliest that it can be now, set or not; 0: no time was ever known."""
        t = self.now()
        if not self.plausible(t):
            t += UNSET_s
        return t if self.plausible(t) else 0

    def note(self, every_s):
        """Have the file say what time it is, or is at least, if it is wrong by `every_s`."""
        if not self._path:
            return
        ahead_s = self._ahead_s
        t = self.now() + (UNSET_s if ahead_s else 0)
        new = ahead_s not in (0, UNSET_s)  # the RTC does not show it yet
        if not new and -every_s < t - self._kept_s < every_s:
            return
        # The file first: who comes back from a reset in between must not believe the RTC.
        try:
            with open(self._path, "w") as f:
                f.write("%d %d" % (t, ahead_s != 0 and self.plausible(t)))
        except OSError:  # (no room: the next note() tries again)
            return
        self._kept_s = t
        if new:
            self.put(t)
            self._ahead_s = UNSET_s

    def heard(self, t):
        """Something was noted at `t` before this start, which note() may not have known."""
        late_s = t - self.now()
        if self._ahead_s and 0 < late_s <= _NOTE_s:
            self._ahead_s -= late_s
            self.note(_NOTE_s)

    def set(self, t, ms, trip_ms):
        """Somebody says that it is `t` and `ms` (0: no fraction is known), asked `trip_ms` ago; ->
        by how many s the clock was moved: 0 for less than 2 s, now() does not step back for that.
        How far that is believed, beside what the clock was set to before: docs/clock.md."""
        before, before_ms = self.now(), self.now_ms()
        doubt_ms = _NEAR_ms + (trip_ms // 5 if trip_ms < 1000 else trip_ms)
        if not ms:
            ms, doubt_ms = _SECOND_ms, doubt_ms + _SECOND_ms
        error_ms = t * 1000 + ms + min(trip_ms // 2, 1000) - before_ms
        if self._doubt_ms is not None:
            own_ms = max(self._doubt_ms, 2 * _NEAR_ms)
            own_ms += (before - self._checked_s) // 10  # 100 ppm
            low_ms = max(error_ms - doubt_ms, -own_ms)
            high_ms = min(error_ms + doubt_ms, own_ms)
            if low_ms <= high_ms:
                error_ms, doubt_ms = (low_ms + high_ms) // 2, (high_ms - low_ms) // 2
        moved_ms = moved_s = 0
        if -_NEAR_ms < error_ms < _NEAR_ms:
            doubt_ms += abs(error_ms)
        else:
            guess = self._ahead_s
            self.put(*divmod(before_ms + error_ms, 1000))
            self._ahead_s = 0
            moved_ms = self.now_ms() - before_ms
            self._past_s = before
            if not -_SMALL_ms < moved_ms < _SMALL_ms:
                self._past_s = -FAR
                # Rounded so that nothing comes to lie in the future; made up for the next time.
                self._rest_ms += moved_ms
                moved_s = min(self._rest_ms // 1000, self.now() - before)
                self._rest_ms -= moved_s * 1000
            if guess or t < self._kept_s:  # (else note() has time)
                self.note(0)
        self._doubt_ms, self._checked_s = doubt_ms, self.now()
        return moved_s

    def now_ms(self):
        """As now(), in ms."""
        # (the two are not read at the same time)
        t, us = time.time(), self._rtc.datetime()[7]
        if t != time.time():
            t, us = time.time(), 0
        return (t - _SECONDS_2000_2020 - self._ahead_s) * 1000 + us // 1000

    def put(self, t, ms=0):
        """Have the RTC show `t`."""
        year, month, day, hour, minute, second = _civil(t)
        weekday = (_days(year, month, day) + 2) % 7  # 2020-01-01 was a Wednesday; Monday is 0
        # (the ESP32 has microseconds there, and counts its seconds from them)
        self._rtc.datetime((year, month, day, weekday, hour, minute, second, ms * 1000))
