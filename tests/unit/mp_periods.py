"""ocpp.periods: a long charging profile is read as json.loads reads it, without its objects."""

import gc
import json

from rig import seeded

from firmware.ocpp import schema
from firmware.ocpp.periods import Periods, loads
from firmware.ocpp.v16 import shapes

schema.use(shapes)

HEAP = "512K"
BOTH = True
CHIP = True


def frame(n, action="SetChargingProfile", field="csChargingProfiles", space="", **more):
    """A CALL with a profile of `n` periods, as bytes; `more`: what is put where."""
    items = []
    for i in range(n):
        phases = ',"numberPhases":%d' % (i % 3 + 1) if i % 2 else ""
        items.append('{"startPeriod":%d,"limit":%d.%d%s}' % (900 * i, i, i % 10, phases))
    return (
        (
            '[2,"id","%s",{"connectorId":1,"%s":{"chargingProfileId":1,"stackLevel":0,%s'
            '"chargingSchedule":{"duration":86400,"chargingRateUnit":"A",%s'
            '"chargingSchedulePeriod"%s:%s[%s%s%s]%s}}%s}]'
        )
        % (
            action,
            field,
            more.get("head", ""),
            more.get("before", ""),
            space,
            space,
            space,
            (space + "," + space).join(items),
            more.get("last", "") + space,
            more.get("after", ""),
            more.get("tail", ""),
        )
    ).encode()


def periods_of(message):
    payload = message[3]
    name = "csChargingProfiles" if "csChargingProfiles" in payload else "chargingProfile"
    return payload[name]["chargingSchedule"]["chargingSchedulePeriod"]


def plain(value):
    """With lists for Periods."""
    if isinstance(value, Periods):
        return list(value)
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list) else value


def outcome(parse, text):
    try:
        return plain(parse(text))
    except ValueError:
        return "ValueError"


def refused(message):
    if not isinstance(message, list) or len(message) != 4 or not isinstance(message[2], str):
        return True
    return schema.check(message[2], message[3]) is not None


def same(text):
    """The same as json.loads; True if periods stayed text."""
    for view in (memoryview(text), memoryview(bytearray(text))):
        wanted, got = outcome(json.loads, text), outcome(loads, view)
        # (MicroPython's json makes something of {"a":1:2}: what, is left open)
        assert got == wanted or refused(got) and refused(wanted), (text, got)
    try:
        return isinstance(periods_of(loads(memoryview(text))), Periods)
    except (ValueError, KeyError, TypeError, IndexError):
        return False


def test_the_periods_of_a_long_profile_stay_text():
    for n in (30, 96, 97, 400):
        assert same(frame(n)), n
    assert same(frame(96, "RemoteStartTransaction", "chargingProfile"))
    for space in (" ", "\n  ", "\t\r\n"):
        assert same(frame(60, space=space))
    assert same(frame(60, head='"validFrom":"2026-11-20T10:00:00Z",'))
    assert same(frame(60, after=',"minChargingRate":6.0'))


def test_short_frames_are_parsed_whole():
    for n in (0, 1, 5, 15):
        assert not same(frame(n)), n


def test_whatever_is_not_that_simple_is_parsed_whole():
    name = '"chargingSchedulePeriod"'
    disguise = '"charging\\u0053chedulePeriod"'
    for change in (
        {"before": name + ":[],"},  # twice
        {"before": name + ":7,"},
        {"after": "," + name + ":[]"},
        {"after": "," + name + ":[{}]"},
        {"before": disguise + ":[1],"},
        {"after": "," + disguise + ":[1]"},
        {"last": ",7"}, {"last": ",[]"}, {"last": ",{}"}, {"last": ',{"a":{"b":1}}'},
        {"last": ","}, {"last": ",,{}"}, {"last": "}"}, {"last": "]"}, {"last": ',{"}":1}'},
        {"last": ',{"a":"]"}'}, {"last": ',{"startPeriod":1'}, {"last": ",{" + " " * 300 + "}"},
        # a value too few or too many: json.loads goes on counting in what follows
        {"last": ',{"startPeriod":1,"limit":}'}, {"last": ',{"startPeriod":1,"limit":1 1}'},
        {"last": ',{"startPeriod":1,"limit"},{"startPeriod":1,"limit":1}'},
        {"head": '"a":"' + "x" * 1100 + '",'}, {"after": ',"a":"' + "x" * 1100 + '"'},
        {"tail": ',"x":[[[1]]]'}, {"tail": ',"chargingProfile":3'},
        {"tail": ',"csChargingProfiles":3'}, {"tail": ',"csChargingProfiles":{}'},
    ):  # fmt: skip
        same(frame(60, **change))
    for text in (b"[2]" + b" " * 2000, b'[2,"x","y",' + name.encode() * 60 + b"]", b"[" * 1500):
        same(text)
    # the name as a value, or in another message
    for text in (
        frame(60).replace(b'"SetChargingProfile"', name.encode()),
        frame(60).replace(b'"id"', name.encode()),
        frame(60)[5:],
        b'[3,"id",' + frame(60)[29:-1] + b"]",
        b'{"a":' + frame(60) + b"}",
    ):
        same(text)


def test_every_cut_is_refused_as_json_loads_does():
    text = frame(40)
    for n in range(len(text) - 300, len(text)):
        same(text[:n])
    for n in range(1020, 1030):
        same(text[:n])


def test_bytes_at_random():
    rng = seeded("bytes")
    kept = 0
    for _ in range(1500):
        text = bytearray(frame(rng.choice((22, 25, 30))))
        for _ in range(rng.randint(1, 3)):
            at = rng.randint(0, len(text) - 1)
            if rng.getrandbits(1):
                text[at] = rng.choice(b'{}[],:"\\ 0a')
            elif rng.getrandbits(1):
                text = text[:at] + text[at + rng.randint(1, 9) :]
            else:
                text = text[:at] + text[at : at + rng.randint(1, 60)] + text[at:]
        try:
            text.decode()
        except ValueError:
            continue
        kept += same(bytes(text))
    print(kept, "kept as text")
    assert kept > 20


def test_a_sequence():
    periods = periods_of(loads(memoryview(frame(50))))
    whole = periods_of(json.loads(frame(50)))
    assert len(periods) == 50
    for i in list(range(50)) + [49, 0, 25, 24, 25, 26, 3, 3]:
        assert periods[i] == whole[i], i
    assert list(periods) == whole == [p for p in periods]
    for i in (50, -1, -51, 1000):
        try:
            periods[i]
            raise AssertionError(i)
        except IndexError:
            pass


def test_what_it_saves():
    text = memoryview(frame(96))
    live = []
    for parse in (json.loads, loads):
        gc.collect()
        before = gc.mem_alloc()
        message = parse(text)
        gc.collect()
        live.append(gc.mem_alloc() - before)
        del message
    print("96 periods: %d B as objects, %d B as text" % tuple(live))
    assert live[1] * 5 < live[0]
