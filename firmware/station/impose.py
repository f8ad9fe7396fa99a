"""A limit from outside the Central System in words, as every way in has it: console, policy.py,
the local network, a Central System that hands one on. Loaded for that."""

import re
from micropython import const

from firmware import lazy
from firmware.clock import FAR, format_iso, parse_iso

outside = lazy.load("station.outside")

_USE = const(
    "it is said as: AMPERES|off [for SECONDS | until TIME] [else AMPERES] [at CONNECTOR]"
    " [by ems|grid|other] [critical]"
)
_SOURCES = const("ems grid other")
_MOST_A = const(1000)
_LONGEST_s = const(31622400)  # a year
_DAY_s = const(86400)


def line(station, text):
    """Carry out one line: so many amperes per phase, for the station or one connector, until the
    end; `else`: what holds then, if it was not said again. "off": it is over. -> what holds, in
    words. Raises ValueError, which says what is wrong; nothing has changed then."""
    if not station.settings("outside"):
        raise ValueError("limits from outside are switched off by a setting")
    first, *words = text.lower().split() or ("",)
    said = _words(words)
    source = _SOURCES.split(" ").index(said.get("by", "ems"))
    number = said.get("at", "0")
    if not number.isdigit() or int(number) > len(station.connectors):
        raise ValueError("connector %s: there are 1 to %d" % (number, len(station.connectors)))
    number = int(number)
    if first == "off":
        if {"for", "until", "else", "critical"} & set(said):
            raise ValueError("off goes with at and by alone")
        there = station.sharing.outside
        if there and there.end(source, number):
            left = "; ".join([words_of(one) for one in there.list])
            return "it is over; " + (left or "no limit from outside holds any more")
        return "%s: there is none by %s" % (_where(number), outside.name(source))
    limit_mA = _mA(first)
    safe_mA = _mA(said["else"]) if "else" in said else None
    now_s = station.clock.now()
    until_s = _end_s(station.clock, now_s, said)
    if safe_mA is not None and until_s == FAR:
        raise ValueError("else goes with for or until: when has it to be said again?")
    one = source, number, limit_mA, now_s, until_s, safe_mA, "critical" in said
    one = outside.Limit(*one)
    outside.put(station, one)
    return words_of(one)


def words_of(one):
    """A Limit, for a person."""
    said = _where(one.number), one.limit_mA / 1000, outside.name(one.source)
    text = "%s: %g A by %s" % said
    if one.until_s < FAR:
        text += " until " + format_iso(one.until_s)
    if one.safe_mA is not None:
        text += ", then %g A if it is not said again" % (one.safe_mA / 1000)
    return text + (", critical" if one.critical else "")


def _where(number):
    return "connector %d" % number if number else "all together"


def _words(words):
    # {word: what is behind it}
    said = {}
    while words:
        word = words.pop(0)
        if word not in ("for", "until", "else", "at", "by", "critical") or word in said:
            raise ValueError("%s? %s" % (word, _USE))
        if word != "critical" and not words:
            raise ValueError("%s what? %s" % (word, _USE))
        said[word] = "" if word == "critical" else words.pop(0)
    if said.get("by", "ems") not in _SOURCES.split(" "):
        raise ValueError("by %s: one of %s" % (said["by"], _SOURCES))
    return said


def _mA(text):
    # (not by way of a float)
    match = re.match(r"(\d\d?\d?\d?)(\.\d\d?\d?)?a?$", text)
    if not match or int(match.group(1)) >= _MOST_A:
        raise ValueError("%s: amperes are a number, 0 to 999.999; %s" % (text or "nothing", _USE))
    return int(match.group(1)) * 1000 + int(((match.group(2) or ".") + "000")[1:4])


def _end_s(clock, now_s, said):
    if "for" in said:
        if "until" in said:
            raise ValueError("for or until, not both")
        s = said["for"]
        if not s.isdigit() or not 0 < int(s) <= _LONGEST_s:
            raise ValueError("for %s: 1 to %d seconds" % (s, _LONGEST_s))
        return now_s + int(s)
    if "until" not in said:
        return FAR
    text = said["until"].upper()
    if not clock.known():
        raise ValueError("the clock is not set: for how many seconds?")
    match = re.match(r"(\d?\d):(\d\d)Z?$", text)
    if match:  # the next time that it is so late, UTC
        hour, minute = int(match.group(1)), int(match.group(2))
        if hour > 23 or minute > 59:
            raise ValueError("until %s: there is no such time" % text)
        return now_s + 1 + (hour * 3600 + minute * 60 - now_s - 1) % _DAY_s
    try:
        until_s = parse_iso(text)
    except ValueError:
        raise ValueError("until %s: a time is 18:00 (UTC) or 2026-12-01T18:00:00Z" % text)
    if not now_s < until_s <= now_s + _LONGEST_s:
        raise ValueError("until %s: that is not within a year from now" % text)
    return until_s
