"""clock.py: every spelling of a date-time, what is refused, and the RTC behind it."""

import gc
import os
import random

import flash
from rig import raises, seeded
from world import UNSET, Time

from firmware import clock
from firmware.clock import FAR, Clock, UNSET_s, format_iso, fraction_ms, parse_iso

HEAP = "480K"
BOTH = True

# Seconds from 1970 to 2020: what CPython says of these, minus this.
UNIX_2020 = 1577836800

GOOD = (
    ("2020-01-01T00:00:00Z", 0),
    ("2019-12-31T23:59:59Z", -1),
    ("2000-01-01T00:00:00Z", -631152000),
    ("1970-01-01T00:00:00Z", -UNIX_2020),
    ("2026-11-20T10:00:00Z", 1795168800 - UNIX_2020),
    ("2024-02-29T12:00:00Z", 1709208000 - UNIX_2020),
    ("2038-01-19T03:14:08Z", 2147483648 - UNIX_2020),
    ("2000-02-29T00:00:00Z", 951782400 - UNIX_2020),
    ("2100-02-28T23:59:59Z", 4107542399 - UNIX_2020),
    ("2100-03-01T00:00:00Z", 4107542400 - UNIX_2020),
    ("2400-02-29T00:00:00Z", 13574563200 - UNIX_2020),
    ("9999-12-31T23:59:59Z", 253402300799 - UNIX_2020),
    ("0001-01-01T00:00:00Z", -62135596800 - UNIX_2020),
    # zones
    ("2020-01-01T02:00:00+02:00", 0),
    ("2020-01-01T02:00:00+0200", 0),
    ("2019-12-31T19:00:00-05:00", 0),
    ("2020-01-01T05:45:00+05:45", 0),
    ("2019-12-31T20:30:00-03:30", 0),
    ("2020-01-01T00:00:00-00:00", 0),
    ("2020-01-01T23:59:00+23:59", 0),
    ("2020-01-01T14:00:00+14:00", 0),
    ("2020-01-01T00:00:00z", 0),
    ("2020-01-01t00:00:00Z", 0),
    ("2020-01-01 00:00:00Z", 0),
    ("2020-01-01T00:00:00", 0),
    # fractions are dropped
    ("2020-01-01T00:00:00.0Z", 0),
    ("2020-01-01T00:00:00.999Z", 0),
    ("2020-01-01T00:00:00.123456789+00:00", 0),
    ("2020-01-01T00:00:00.5", 0),
    ("2020-01-01T02:00:01.000000+0200", 1),
    ("2020-01-01T00:00:00." + "9" * 60 + "Z", 0),
    # a leap second is the next one
    ("2016-12-31T23:59:60Z", 1483228800 - UNIX_2020),
    ("2017-01-01T01:59:60.5+02:00", 1483228800 - UNIX_2020),
)

BAD = """
|now|2020|2020-01-01|2020-01-01T|2020-01-01T00:00|2020-01-01T00:00Z|2020-01-01T00:00:0Z
2020-1-01T00:00:00Z|2020-01-1T00:00:00Z|20-01-01T00:00:00Z|20200101T000000Z|2020-01-01X00:00:00Z
2020/01/01T00:00:00Z|2020-01-01T00.00.00Z|2020-01-01T00-00-00Z|+2020-01-01T00:00:00Z
2020-00-01T00:00:00Z|2020-13-01T00:00:00Z|2020-01-00T00:00:00Z|2020-01-32T00:00:00Z
2020-04-31T00:00:00Z|2020-02-30T00:00:00Z|2021-02-29T00:00:00Z|2100-02-29T00:00:00Z
1900-02-29T00:00:00Z|2020-01-01T24:00:00Z|2020-01-01T00:60:00Z|2020-01-01T00:00:61Z
2020-01-01T-1:00:00Z|2020-01-01T 1:00:00Z|2020-01-01T+1:00:00Z|2020-01-01T0x:00:00Z
2020-01-01T00:00:00.Z|2020-01-01T00:00:00.|2020-01-01T00:00:00..1Z|2020-01-01T00:00:00,1Z
2020-01-01T00:00:00.1.1Z|2020-01-01T00:00:00.-1Z|2020-01-01T00:00:00Z | 2020-01-01T00:00:00Z
2020-01-01T00:00:00ZZ|2020-01-01T00:00:00Zz|2020-01-01T00:00:00zZ|2020-01-01T00:00:00UTC
2020-01-01T00:00:00+2|2020-01-01T00:00:00+02|2020-01-01T00:00:00+020|2020-01-01T00:00:00+02:0
2020-01-01T00:00:00+02:000|2020-01-01T00:00:00+:0200|2020-01-01T00:00:00+0:200
2020-01-01T00:00:00+020:0|2020-01-01T00:00:00+0200:|2020-01-01T00:00:00+02::00
2020-01-01T00:00:00+24:00|2020-01-01T00:00:00+99:99|2020-01-01T00:00:00+01:60
2020-01-01T00:00:00 +02:00|2020-01-01T00:00:00*02:00|2020-01-01T00:00:00+-2:00
2020-01-01T00:00:00+02:00Z|2020-01-01T00:00:00Z+02:00|2020-01-01T00:00:00Europe/Berlin
2020-01-01T00:00:00-|2020-01-01T00:00:00+|2020-01-01T00:00:00:00|2020-01-01T00:00:00\x00
2020-01-0\u0661T00:00:00Z|\u0662020-01-01T00:00:00Z|2020-01-01T00:00:00.\u0661Z|\ud800
"""


def test_what_is_understood():
    for text, t in GOOD:
        assert parse_iso(text) == t, (text, parse_iso(text))


def test_garbage_is_a_value_error():
    for text in BAD.strip("\n").replace("\n", "|").split("|"):
        raises(ValueError, parse_iso, text)


def test_every_cut_and_every_doubled_character_of_a_date_time():
    text = "2026-11-20T10:00:00.25+01:30"
    t = parse_iso(text)
    fine = (text[:19], text[:21], text[:22])  # without a zone, with a shorter fraction
    for n in range(len(text)):
        try:
            parse_iso(text[:n])
            assert text[:n] in fine, text[:n]
        except ValueError:
            assert text[:n] not in fine, text[:n]
        try:
            doubled = parse_iso(text[: n + 1] + text[n:])
            assert doubled == t and 20 <= n < 22, text[: n + 1] + text[n:]  # (in the fraction)
        except ValueError:
            pass


def test_characters_of_strangers_are_not_kept():
    """MicroPython interns every character that is taken out of a text, for ever."""
    date = b"2026-11-20T10:00:00Z"

    def refused(code):
        # (made of bytes, for chr() would intern it)
        c = bytes([0xE0 | code >> 12, 0x80 | code >> 6 & 63, 0x80 | code & 63])
        for at in (4, 10, 13, 19):
            raises(ValueError, parse_iso, (date[:at] + c + date[at + 1 :] + b":00").decode())

    refused(0x4E00)
    gc.collect()
    before = gc.mem_alloc()
    for code in range(0x4E00, 0x4E00 + 1000):
        refused(code)
    gc.collect()
    assert gc.mem_alloc() - before < 2000, gc.mem_alloc() - before


def test_one_day_follows_another():
    # Against counting, from 1999 over a leap century, 2020 and 2100 to 2101.
    t = parse_iso("1999-01-01T00:00:00Z")
    lengths = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    for year in range(1999, 2102):
        lengths[1] = 29 if year in range(2000, 2100, 4) else 28
        for month in range(12):
            for day in range(1, lengths[month] + 1):
                text = "%04d-%02d-%02dT00:00:00Z" % (year, month + 1, day)
                if day in (1, 28, lengths[month]):
                    assert parse_iso(text) == t, text
                    assert format_iso(t) == text, (text, format_iso(t))
                t += 86400


def test_round_trip_over_random_instants():
    seeded("instants")
    for i in range(4000):
        if i % 4:
            t = random.getrandbits(30)
        else:  # anywhere in the years 1 to 9999
            t = (random.getrandbits(24) << 16 | random.getrandbits(16)) % 315537897600
            t -= 62135596800 + UNIX_2020
        text = format_iso(t)
        assert len(text) == 20 and parse_iso(text) == t, (t, text)
        minutes = random.randrange(24 * 60)
        zone = "%02d:%02d" % (minutes // 60, minutes % 60)
        if i & 1:
            zone = zone.replace(":", "")
        assert parse_iso(text[:-1] + "." + str(i) + "+" + zone) == t - 60 * minutes, (text, zone)
        assert parse_iso(text[:-1] + "-" + zone) == t + 60 * minutes, (text, zone)


# The clock


class World(Time):
    """The time module and the RTC of an ESP32 that has had its power for five seconds."""

    def __init__(self):
        super().__init__(UNSET + 5)
        self.writes, self.written = 0, []

    @property
    def seconds(self):
        return self.time()

    @seconds.setter
    def seconds(self, s):
        self.t_ms += (s - self.time()) * 1000

    def datetime(self, value=None):
        if value is not None:
            self.written = self.written[-9:] + [value]
            self.writes += 1
        return super().datetime(value)


def a_clock():
    world = World()
    clock.time = world
    return world, Clock(world)


def test_a_clock_that_was_never_set_counts_from_2000():
    world, c = a_clock()
    assert format_iso(c.now()) == "2000-01-01T00:00:05Z" and not c.known()
    world.seconds += 86400 * 300
    assert not c.known()


def test_setting_says_how_far_it_jumped():
    world, c = a_clock()
    now = parse_iso("2026-11-20T10:00:00Z")
    assert c.set(now, 0, 0) == now + 631152000 - 5
    assert c.now() == now and c.known()
    assert c.set(now + 3600, 0, 0) == 3600 and c.now() == now + 3600
    assert c.set(now, 0, 0) == -3600 and c.now() == now


def test_noise_is_not_followed():
    world, c = a_clock()
    now = parse_iso("2026-11-20T10:00:00Z")
    c.set(now, 0, 0)
    world.written.clear()
    for ms in (-49, 0, 49):
        assert c.set(now, 500 + ms, 0) == 0, ms
    assert not world.written and c.now() == now
    assert c.set(now + 3, 0, 0) == 3 and c.now() == now + 3
    assert c.set(now, 0, 0) == -3 and c.now() == now


def test_the_fraction_of_a_time():
    for text, ms in (
        ("", 0), (".5", 500), (".25", 250), (".007", 7), (".1239", 123), (".999999999", 999),
        (".000", 0), (".0", 0), (".123456789012345678901234567890", 123),
    ):  # fmt: skip
        for zone in ("Z", "+01:30", ""):
            assert fraction_ms("2026-11-20T10:00:00" + text + zone) == ms, (text, zone)
            parse_iso("2026-11-20T10:00:00" + text + zone)


def ask(world, c, true_ms, there_ms, back_ms, fraction=True):
    """The clock asks somebody who has the true time; -> (true time of the answer, set())."""
    world.pass_ms(there_ms)
    t, ms = divmod(true_ms + there_ms, 1000)
    world.pass_ms(back_ms)
    moved_s = c.set(t, (ms or 1) if fraction else 0, there_ms + back_ms)
    return true_ms + there_ms + back_ms, moved_s


def test_it_is_right_to_200_ms_where_the_fraction_is_told():
    """After the first answer and after each that follows, whatever was wrong before, with up to
    300 ms each way, of which either may be 100 ms longer."""
    seeded("clock")
    for _ in range(500):
        world, c = a_clock()
        true_ms = NOW * 1000 + random.randrange(1000)
        for _ in range(6):
            there = random.randrange(301)
            back = min(max(there + random.randrange(-100, 101), 0), 300)
            true_ms, _ = ask(world, c, true_ms, there, back)
            assert abs(world.t_ms - true_ms) <= 200, (world.t_ms - true_ms, there, back)
            # what happens until the next: an hour of a crystal, or the other one's clock jumps
            passed = random.randrange(3600000)
            true_ms += passed
            world.pass_ms(passed + passed * random.randrange(-40, 41) // 1000000)
            if random.randrange(3) == 0:
                world.pass_ms(random.choice((300, 700, 1900, 5000)) * random.choice((1, -1)))


def test_whole_seconds_are_taken_for_their_middle_and_not_chased():
    """Right to 0.6 s after the first answer; nearer with every one, with hardly a correction."""
    seeded("clock")
    corrections = 0
    last = 0
    for _ in range(100):
        world, c = a_clock()
        true_ms = NOW * 1000 + random.randrange(1000)
        world.writes = 0
        for i in range(50):
            trip = random.randrange(20)
            true_ms, moved_s = ask(world, c, true_ms, trip, trip, False)
            assert i == 0 or moved_s == 0
            error_ms = abs(world.t_ms - true_ms)
            assert error_ms <= 600, (i, error_ms)
            passed = 60000 + random.randrange(5000)
            true_ms += passed
            world.pass_ms(passed)
        corrections += world.writes
        last = max(last, error_ms)
    print("%d corrections in 100 hours, at last %d ms" % (corrections, last))
    assert corrections < 100 * 10 and last < 300


def test_an_answer_that_took_long_says_little():
    world, c = a_clock()
    true_ms, _ = ask(world, c, NOW * 1000, 5000, 15000)  # better than nothing
    assert c.known() and 0 < true_ms - world.t_ms <= 14000
    true_ms, _ = ask(world, c, true_ms, 10, 10)  # and the next one is believed
    assert abs(true_ms - world.t_ms) <= 50
    for there, back in ((0, 1500), (1500, 0), (0, 20000), (20000, 0), (9000, 9000)):
        true_ms, _ = ask(world, c, true_ms, there, back)
        assert abs(true_ms - world.t_ms) <= 500, (there, back, true_ms - world.t_ms)


def test_small_corrections_never_turn_time_back_and_large_ones_are_told():
    seeded("clock")
    world, c = a_clock()
    true_ms, _ = ask(world, c, NOW * 1000, 1, 1)
    last = c.now()
    for _ in range(3000):
        passed = random.randrange(3000)
        true_ms += passed
        world.pass_ms(passed)
        error_ms = random.randrange(-6000, 6000)
        true_ms += error_ms
        assert c.now() >= last
        before = c.now()
        true_ms, moved_s = ask(world, c, true_ms, 1, 1)
        assert moved_s or c.now() >= before
        # (now() may still stand where it was before the correction before this one)
        assert abs(error_ms) < 4200 or moved_s, error_ms
        assert abs(moved_s) <= 10
        assert c.now() - moved_s >= before  # nothing comes to lie in the future
        last = c.now()


def test_what_moves_with_the_clock_does_not_run_away_from_it():
    """The age of what began long ago, after 2000 corrections of 2 to 4 s, whose fractions are all
    lost on the same side."""
    for ms in (2001, 2999, -2001, -2999):
        world, c = a_clock()
        true_ms, _ = ask(world, c, NOW * 1000 + 3, 1, 1)
        origin_s = c.now()
        age_ms = 0
        for _ in range(2000):
            world.pass_ms(10007)
            age_ms += 10007
            true_ms += 10007 + ms
            true_ms, moved_s = ask(world, c, true_ms, 1, 1)
            age_ms += 2
            origin_s += moved_s
            assert -2500 < (c.now() - origin_s) * 1000 - age_ms < 2500, (ms, age_ms)


def test_known_needs_a_time_that_can_be():
    world, c = a_clock()
    c.set(parse_iso("2024-12-31T23:59:59Z"), 0, 0)
    assert not c.known()
    assert not c.plausible(-1) and not c.plausible(0)
    assert c.plausible(parse_iso("2025-01-01T00:00:00Z"))
    assert not c.plausible(parse_iso("2025-01-01T00:00:00Z") - 1)
    assert c.plausible(clock.FAR - 1)
    for far in (clock.FAR, parse_iso("9999-12-31T23:59:59Z")):  # (nothing could be compared)
        assert not c.plausible(far)
    c.set(parse_iso("2025-01-03T00:00:00Z"), 0, 0)
    assert c.known()


def test_the_rtc_gets_date_and_weekday():
    world, c = a_clock()
    for text, weekday in (
        ("2026-11-20T10:20:30Z", 4),  # a Friday
        ("2026-11-22T23:59:59Z", 6),
        ("2026-11-23T08:00:00Z", 0),
        ("2024-02-29T00:00:00Z", 3),
        ("2100-03-01T12:00:00Z", 0),
        ("2000-01-03T00:00:00Z", 0),
    ):
        c.set(parse_iso(text), 0, 0)
        y, month, d, wd, h, m, s, sub = world.written[-1]
        assert "%04d-%02d-%02dT%02d:%02d:%02dZ" % (y, month, d, h, m, s) == text, text
        assert (wd, sub) == (weekday, 500000), (text, wd)


def test_far_is_a_small_integer_of_the_esp32():
    assert FAR == 2**30 - 1 and format_iso(FAR) == "2054-01-09T13:37:03Z"


# --- the last time known (/last_time)

NOW = parse_iso("2026-11-20T10:00:00Z")


class Chip(World):
    """A world whose RTC loses its time with the power, and a flash with one file."""

    path = "/flash/last_time"

    def __init__(self):
        super().__init__()
        flash.mount(flash.Flash(4))
        clock.time = self

    def boot(self, power_cut=False):
        if power_cut:
            self.seconds = 3
        return Clock(self, self.path)

    def file(self, text=None):
        """What the file has, None: there is none; or puts `text` there."""
        if text is not None:
            with open(self.path, "w") as f:
                f.write(text)
        try:
            with open(self.path) as f:
                return f.read()
        except OSError:
            return None

    def no_file(self):
        try:
            os.remove(self.path)
        except OSError:
            pass

    def rtc(self):
        return self.seconds - 631152000


def test_after_a_power_cut_only_the_rtc_shows_the_last_time_known():
    chip = Chip()
    c = chip.boot(power_cut=True)
    assert not c.known() and not c.least_s()  # a new unit
    c.set(NOW, 0, 0)
    assert chip.file() == "%d 0" % NOW
    chip.seconds += 1000
    c.note(300)
    chip.seconds += 100
    c = chip.boot(power_cut=True)
    least_s = NOW + 1000 + 3
    assert chip.rtc() == c.least_s() == least_s  # for certificates
    assert c.now() == least_s - UNSET_s and not c.known()
    assert not c.plausible(c.now())
    # A reset (watchdog, Reset, Ctrl-D) leaves the RTC alone, and is no reason to believe it.
    for _ in range(3):
        chip.seconds += 100
        before = c.now()
        c = chip.boot()
        assert c.now() == before and not c.known()
    assert chip.rtc() == c.least_s() == least_s + 300
    # The true time comes: as far as from a clock that had not been set.
    assert c.set(NOW + 5000, 0, 0) == NOW + 5000 - (least_s + 300 - UNSET_s)
    assert c.known() and c.now() == NOW + 5000 == chip.rtc() == c.least_s()
    c = chip.boot()
    assert c.known() and c.now() == NOW + 5000


def test_while_it_is_not_set_it_is_before_2020_for_ever():
    """Or it would share the instants that Central Systems name, and take them for its own."""
    for year in ("2026", "2050", "2053"):
        chip = Chip()
        least_s = parse_iso(year + "-11-20T10:00:00Z")
        chip.file("%d 0" % least_s)
        c = chip.boot(power_cut=True)
        assert c.least_s() == least_s + 3 and c.now() < 0 and not c.known(), year
        assert c.set(least_s + 9, 0, 0) == 6 + UNSET_s and c.known()
        chip.no_file()


def test_a_unit_that_never_knew_the_time_counts_on_over_power_cuts():
    chip = Chip()
    before = None
    for _ in range(5):
        c = chip.boot(power_cut=True)
        assert not c.known() and c.least_s() == 0
        assert before is None or before <= c.now() <= before + 3
        for _ in range(3):
            chip.seconds += 1000
            before = c.now()
            c.note(300)
            c = chip.boot()
            assert c.now() == before and not c.known() and c.least_s() == 0
    # Somebody sets the RTC: it was no guess of ours.
    chip.seconds += NOW
    assert chip.boot().known()
    chip.seconds -= NOW
    c = chip.boot()
    assert c.now() < 0 and c.set(NOW, 0, 0) == NOW - before and c.least_s() == NOW


def test_least_s_over_power_cuts_is_never_late_and_300_s_early_beside_the_time_without_power():
    """The bound that note() keeps, and its wear: writes are counted."""
    chip = Chip()
    c = chip.boot(power_cut=True)
    c.set(NOW, 0, 0)
    true_s, off_s = NOW, 0
    writes = 0

    def counting(path, mode="r"):
        nonlocal writes
        writes += mode == "w"
        return open(path, mode)

    clock.open = counting
    on_s = 0
    for boot in range(6):
        for _ in range(1000 + 77 * boot):
            chip.seconds += 1
            true_s += 1
            on_s += 1
            c.note(300)
            assert true_s - off_s - 300 * boot <= c.least_s() <= true_s, (boot, true_s)
        true_s += 500
        off_s += 500
        true_s += 3
        c = chip.boot(power_cut=True)
    assert writes <= on_s // 300 + 2 * 6, writes
    # What happens is noted to the second by those who note it.
    c.note(1)
    chip.seconds += 200
    c.note(1)
    least_s = c.least_s()
    c = chip.boot(power_cut=True)
    assert c.least_s() == least_s + 3
    del clock.open


def test_the_last_time_known_is_the_time_after_all():
    """The Central System says what the RTC shows: then it is known, and told so to the flash."""
    chip = Chip()
    chip.boot(power_cut=True).set(NOW, 0, 0)
    c = chip.boot(power_cut=True)
    assert c.set(NOW + 3, 0, 0) == UNSET_s and c.known() and c.now() == NOW + 3
    assert chip.boot().known()


def test_the_file_is_written_every_five_minutes():
    chip = Chip()
    c = chip.boot(power_cut=True)
    c.set(NOW, 0, 0)
    for after_s, writes in ((0, 0), (299, 0), (300, 1), (301, 0), (599, 0), (600, 1), (9000, 1)):
        chip.no_file()
        chip.seconds = NOW + after_s + 631152000
        assert c.set(NOW + after_s, 0, 0) == 0
        c.note(300)
        assert chip.file() == ("%d 0" % (NOW + after_s) if writes else None), after_s
    # A time that was wrong does not stay.
    chip.no_file()
    assert c.set(NOW, 0, 0) == -9000
    assert chip.file() == "%d 0" % NOW
    # A reset is no reason to write it.
    c = chip.boot()
    chip.no_file()
    assert c.set(NOW + 200, 0, 0) == 200
    c.note(300)
    assert chip.file() is None
    c.note(1)
    assert chip.file() == "%d 0" % (NOW + 200)


def test_a_damaged_file_is_none():
    chip = Chip()
    for text in (
        "", " ", "x", "5", "%d" % NOW, "%d x" % NOW, "%d 0 0" % NOW, "-5 0", "0 0", "1.5 0",
        "%d 0" % (FAR + 1), "%d 0" % 2**70, "%d -5" % (FAR + 1), "\0" * 40,
    ):  # fmt: skip
        chip.file(text)
        c = chip.boot(power_cut=True)
        assert not c.known() and c.least_s() == 0 and chip.rtc() == 3, text
        c.set(NOW, 0, 0)
        assert c.known() and chip.file() == "%d 0" % NOW
        c = chip.boot()
        assert c.known() and c.now() == NOW
    # Nobody knows any more whether what the RTC shows was a guess.
    chip.file("%d" % NOW)
    c = chip.boot()
    assert not c.known() and c.now() == NOW - UNSET_s and c.least_s() == NOW
    assert c.set(NOW, 0, 0) == UNSET_s and chip.boot().known()


def test_a_flash_that_takes_nothing():
    def no_room(path, mode="r"):
        if mode == "w":
            raise OSError(28)
        return open(path, mode)

    chip = Chip()
    chip.boot(power_cut=True).set(NOW, 0, 0)
    clock.open = no_room
    c = chip.boot(power_cut=True)
    # There is no way to say that the RTC is not to be believed: it is left alone.
    assert not c.known() and chip.rtc() == 3 - 631152000 and c.least_s() == NOW + 3
    chip.seconds += 1000
    before = c.now()
    c.note(300)
    assert c.now() == before
    c = chip.boot()
    assert c.now() == before and chip.rtc() == 1003 - 631152000
    del clock.open
    c.note(300)  # as soon as there is room
    assert c.now() == before and chip.rtc() == c.least_s() == NOW + 1003
    c = chip.boot()
    assert c.now() == before
    clock.open = no_room
    assert c.set(NOW + 3600, 0, 0) and c.known()
    assert not chip.boot().known()  # on the safe side, if it is reset just then
    c = chip.boot()
    c.set(NOW + 3600, 0, 0)
    del clock.open
    c.note(300)
    assert chip.boot().known() and chip.file() == "%d 0" % (NOW + 3600)


class Cut(Exception):
    pass


def test_random_lives():
    """Resets, power cuts and settings in any order, also in the middle of setting the RTC: what
    was not set since the power came is not known, and time goes on over resets."""
    seeded("lives")
    chip = Chip()
    set_rtc = chip.datetime
    fails = 0  # the reset comes before (1) or after (2) the RTC was set

    def datetime(value=None):
        if value is None:
            return set_rtc()
        if fails == 1:
            raise Cut
        set_rtc(value)
        chip.written.clear()
        if fails == 2:
            raise Cut

    chip.datetime = datetime
    c = chip.boot(power_cut=True)
    told = False  # since the power came
    true_s = NOW
    for _ in range(3000):
        passed = random.getrandbits(random.getrandbits(4) + 1)
        chip.seconds += passed
        true_s += passed
        before = c.now()
        what = random.getrandbits(3)
        fails = (random.getrandbits(4) - 13) if what < 4 else 0
        try:
            if what < 2:
                c = chip.boot()
                assert c.now() == before, (c.now(), before)
            elif what == 2:
                told = False
                c = chip.boot(power_cut=True)
            elif what == 3:
                told = True
                c.set(true_s, 0, 0)
                assert c.known() and -2 < c.now() - true_s < 3
        except Cut:
            fails = 0
            c = chip.boot()
            if what == 3 and not c.known():
                told = False  # it does not count: the file says otherwise
        assert c.known() == told, (what, c.now())
        assert not told or -2 < c.now() - true_s < 2
