"""storage/security.py and station/security.py: the log of security events on flash, its bound, its
order, and what a power cut leaves of a line and of its being told."""

import gc
import os

import flash
from rig import seeded, share
from world import T0, UNSET, World

from firmware.clock import UNSET_s, format_iso, parse_iso
from firmware.station import security
from firmware.storage import security as storage

HEAP = "800K"
BOTH = True
SWEEPS = ("test_a_power_cut_at_every_operation", "test_random_order_with_power_cuts")

FOLDER = "/flash/auth"
LOG, OLD, MARK = [FOLDER + "/security." + name for name in ("log", "old", "untold")]
CLEARED = 6
LONG = "x" * 100

chip = None


def blank(blocks=16):
    global chip
    chip = flash.Flash(blocks)
    flash.mount(chip)


def log(now_s=T0):
    return storage.log(FOLDER, now_s, CLEARED)


def add(text, event=4, told=1, now_s=T0, every_s=0):
    return log(now_s).add(event, text, told, every_s)


def texts(lines=None):
    return [line[4] for line in lines or log().lines()]


def waiting():
    """The texts that are still to be told, in order."""
    mark = log().untold()
    return [] if mark is None else [x[4] for x in log().lines() if x[2] and x[0] >= mark]


def size(path):
    try:
        return os.stat(path)[6]
    except OSError:
        return 0


def filled(n, text=LONG):
    for i in range(n):
        assert add("%d %s" % (i, text), told=0)


def test_lines_in_order():
    blank()
    assert list(log().lines()) == list(log().back()) == [] and log().untold() is None
    assert add("one", 4, 1, T0) and add("two", 9, 0, T0 + 1) and add("", 7, 1, T0 + 2)
    lines = [(1, T0, 1, 4, "one"), (2, T0 + 1, 0, 9, "two"), (3, T0 + 2, 1, 7, "")]
    assert list(log().lines()) == lines
    lines.reverse()
    assert list(log().back()) == lines
    assert waiting() == ["one", ""]
    log().told(1)
    assert waiting() == [""]
    log().told(3)
    assert waiting() == [] and log().untold() is None
    assert add("three") and waiting() == ["three"]
    log().told(4)
    assert "security.untold" not in os.listdir(FOLDER)


def test_texts_are_for_a_terminal():
    blank()
    assert add("a\x1b[2J\n1 2 3 b\u00e4" + "y" * 200)
    (line,) = log().lines()
    assert line[4] == ("a?[2J?1 2 3 b??" + "y" * 200)[:120] and len(line) == 5


def test_two_files_of_4_KB_and_the_oldest_goes():
    blank()
    for n in range(200):
        assert add("%d %s" % (n, LONG), told=n % 3 == 0)
        assert size(LOG) < 4200 and size(OLD) < 4200
        numbers = [line[0] for line in log().lines()]
        assert numbers == list(range(numbers[0], n + 2)), "no gap"
        back = [line[0] for line in log().back()]
        back.reverse()
        assert back == numbers
    assert 30 < len(numbers) < 75
    assert waiting()[-1].startswith("198 ") and len(waiting()) >= len(numbers) // 3
    assert sorted(os.listdir(FOLDER)) == ["security.log", "security.old", "security.untold"]


def test_one_of_its_kind_in_so_many_seconds():
    blank()
    assert add("a", 9, every_s=60)
    assert not add("b", 9, now_s=T0 + 59, every_s=60)
    assert add("c", 8, now_s=T0 + 59, every_s=60), "another kind"
    assert add("d", 9, now_s=T0 + 60, every_s=60)
    # Behind others, and in the older file.
    for _ in range(40):
        add(LONG, 5, now_s=T0 + 61)
    assert size(OLD) and not add("e", 9, now_s=T0 + 100, every_s=60)
    # A clock that was set back, or that is not set, is another time.
    assert add("f", 9, now_s=T0 - 3600, every_s=60)
    assert add("g", 9, now_s=UNSET, every_s=60)
    assert [text for text in texts() if len(text) == 1] == ["a", "c", "d", "f", "g"]


def test_numbers_go_on_where_the_newer_file_is_empty():
    """As it is when the power fails after it was made."""
    blank()
    filled(40)
    add("last")
    os.rename(LOG, OLD)
    open(LOG, "w").close()
    assert add("next") and waiting() == ["last", "next"]
    assert [x[0] for x in log().lines()][-2:] == [41, 42]


def test_damaged_lines_are_left_out():
    blank()
    for text in ("one", "two", "three"):
        add(text)
    with open(LOG, "rb") as f:
        data = f.read()
    lines = data.split(b"\n")[:3]
    for damage in (
        b"",
        b"nonsense",
        b"7 7",
        b"x 1 1 1 one",
        lines[1][:9],
        b"\xff\xfe\0" * 9,
        b"  ",
    ):
        with open(LOG, "wb") as f:
            f.write(b"\n".join((lines[0], damage, lines[2])) + b"\n")
        assert texts() == ["one", "three"], damage
        assert waiting() == ["one", "three"]
    with open(LOG, "wb") as f:
        f.write(data + b"4 2")  # (the end is missing)
    assert add("five") and texts()[:3] == ["one", "two", "three"]
    with open(LOG, "wb") as f:
        f.write(b"\xff" * 5000)
    assert add("six") and texts() == ["six"] and size(OLD) == 5000
    for mark, expected in (("", []), ("nonsense", ["six"]), ("99", []), ("-1", ["six"])):
        with open(MARK, "w") as f:
            f.write(mark)
        assert waiting() == expected, mark


def test_what_cannot_be_read_is_begun_anew():
    for path in (LOG, OLD):
        blank()
        add("before")
        os.rename(LOG, LOG + "2")
        os.mkdir(path)  # (as good as a file that cannot be read)
        one = log()
        assert one.add(5, "next", 0, 1 << 29) and one.lost
        assert [(x[0], x[3]) for x in log().lines()] == [(1, CLEARED), (2, 5)]
        assert texts()[0].startswith("it could not be read") and waiting() == texts()[:1]
        os.remove(LOG + "2")
        assert sorted(os.listdir(FOLDER)) == ["security.log", "security.untold"]


def test_who_notes_it_hears_of_no_error():
    w = World()
    security.note(w.station, 4, "one")
    assert w.station.untold and w.woken and texts() == ["one"]
    flash.crowd(FOLDER)
    for _ in range(30):
        security.note(w.station, 5, LONG)
    assert [line for line in w.said if line.startswith("security log: OSError")]
    assert texts()[0] == "one"
    for name in os.listdir(FOLDER):
        if name[0] == "x":
            os.remove(FOLDER + "/" + name)
    os.remove("/flash/filler")
    security.note(w.station, 5, "more")
    assert texts()[-1] == "more"


def test_what_is_told_and_what_is_only_kept():
    w = World()
    told = "FIRMWARE_UPDATED CLOCK_SET STARTED RESET LOG_CLEARED RECONFIGURED NO_MEMORY TAMPERED"
    told += " BAD_SIGNATURE BAD_SIGNER BAD_CENTRAL_CERTIFICATE BAD_OWN_CERTIFICATE BAD_TLS_VERSION"
    kept = "NOT_AUTHENTICATED CENTRAL_NOT_AUTHENTICATED BAD_MESSAGES REPLAY"
    for names, expected in ((told + " BAD_CIPHER", True), (kept, False)):
        for name in names.split(" "):
            w.station.untold = 0
            security.note(w.station, getattr(security, name), name)
            assert bool(w.station.untold) is expected and texts()[-1] == name, name
    assert len(texts()) == 18 and not hasattr(security, "OTHER")
    assert (security.STARTED, security.BAD_CIPHER) == (4, 17)


def test_what_was_noted_before_the_clock_was_set():
    """It moves with the clock, also what a start before has noted; nothing else does."""
    w = World()
    for text in ("set", "too"):
        security.note(w.station, 4, text)
    w.clock.note(0)
    for n in range(2):  # two power cuts
        w.poll(10000)
        w.boot(UNSET)
        security.note(w.station, 4, "unset %d" % n)
    t = w.clock.now()
    assert t < 0 and list(log().lines())[-1][1] == t
    assert T0 <= security.least_s(t) < T0 + 30, "the earliest that it can be"
    w.poll(5000)
    w.told(T0 + 3600, 0)
    lines = list(log().lines())
    times = [line[1] - T0 for line in lines]
    assert times[:2] == [0, 0] and times[3:] == [3595, 3600], times
    assert texts() == ["set", "too", "unset 0", "unset 1", "it was not set"]
    assert lines[-1][3] == security.CLOCK_SET and times == sorted(times)
    # Set again: nothing moves; told is what is more than a correction.
    for s, n in ((30, 5), (30 + 59, 5), (30 + 59 + 61, 6), (-7200, 7)):
        w.told(T0 + 3600 + s, 0)
        assert len(texts()) == n, (s, texts())
    assert texts()[5:] == ["moved by 61 s", "moved by -7350 s"]
    assert [line[1] - T0 for line in log().lines()][:5] == times
    assert security.least_s(T0) == T0 and UNSET + UNSET_s > 0


def test_a_clock_that_is_set_on_a_full_flash():
    w = World(t=UNSET)
    security.note(w.station, 4, "unset")
    flash.crowd(FOLDER)
    w.told(T0, 0)
    assert w.clock.known() and texts()[0] == "unset"


def test_a_power_cut_while_the_times_move():
    """Each file has all of its old times or all of its new ones, and no line is lost."""
    w = World(t=UNSET)
    for n in range(45):
        security.note(w.station, 4, "%d %s" % (n, LONG))
    security.note(w.station, 9, "a - b")
    image, before = bytes(w.flash.data), list(log(UNSET).lines())
    assert size(OLD) and all([line[1] < 0 for line in before])
    jump = T0 - before[0][1]
    w.flash.on()
    log(UNSET).moved(jump)
    total = w.flash.ops
    after = list(log().lines())
    assert [x[1] - y[1] for x, y in zip(after, before)] == [jump] * len(before)
    assert [x[2:] for x in after] == [x[2:] for x in before]
    for cut in share(total):
        gc.collect()
        w.flash.restore(image)
        flash.mount(w.flash)
        w.flash.on()
        w.flash.dies_at = cut
        try:
            log(UNSET).moved(jump)
        except OSError:
            assert w.flash.dead
        w.flash.on()
        flash.mount(w.flash)
        lines = list(log(UNSET).lines())
        assert [x[2:] for x in lines] == [x[2:] for x in before], cut
        assert all([x in (y, z) for x, y, z in zip(lines, before, after)]), cut
        log(UNSET).moved(jump)
        assert list(log().lines()) == after, cut


class Model:
    """What must be there: `lines` (text, told), of which `sure` many; `done` of them are told, and
    perhaps `maybe`."""

    def __init__(self):
        self.lines, self.sure, self.done, self.maybe, self.n = [], 0, 0, 0, 0

    def add(self, long, told):
        self.n += 1
        text = "%d %s" % (self.n, LONG if long else "")
        self.lines.append((text, told))
        assert add(text, told=told)
        self.sure = len(self.lines)

    def tell(self):
        """The oldest one, as the outbox does; False: there is none."""
        first = waiting()[:1]
        number = [line[0] for line in log().lines() if line[4] in first]
        if first:
            self.maybe = [text.strip() for text, _ in self.lines].index(first[0].strip()) + 1
        log().told(number[0] if number else 1 << 29)
        self.done = self.maybe
        return bool(first)

    def check(self, where):
        """What the flash has is what was promised, and perhaps what the power has cut."""
        have = [text.strip() for text in texts()]
        lines = [(text.strip(), told) for text, told in self.lines]
        if len(have) < len(lines) and self.sure < len(lines) and lines[-1][0] not in have:
            lines.pop()
            self.lines.pop()
        assert have == [text for text, _ in lines][-len(have) :] if have else not lines, where
        assert len(have) == len(lines) or size(OLD), where
        if len(have) < len(lines):
            assert size(OLD) > 4000, (where, "less than a file is left")
        untold = [text.strip() for text in waiting()]
        good = []
        for done in (self.done, self.maybe):
            good.append([text for text, told in lines[done:] if told and text in have])
        assert untold in good, (where, untold, good)
        if untold != good[0]:
            self.done = self.maybe
        self.maybe = self.done
        self.sure = len(self.lines)


def test_a_power_cut_at_every_operation():
    """Of a few lines, among which the newer file becomes the older one, and of their telling."""

    def life(model):
        for step in range(12):
            model.add(step % 3 > 0, step & 1)
            if step % 4 == 3:
                model.tell()
        while model.tell():
            pass

    def begun():
        flash.mount(chip)
        chip.on()
        model = Model()
        model.lines = [(text, 0) for text in texts()]
        model.sure = model.done = model.maybe = len(model.lines)
        model.n = 1000
        return model

    blank()
    filled(30, "y" * 100)
    image = bytes(chip.data)
    model = begun()
    life(model)
    model.check("no cut")
    total, done = chip.ops, 0
    assert size(OLD) > 4000
    for cut in share(total):
        for tear in (0, 3, 8):
            gc.collect()
            chip.restore(image)
            model = begun()
            chip.dies_at, chip.tear = cut, tear
            try:
                life(model)
            except OSError:
                assert chip.dead
            if not chip.dead:
                continue
            done += 1
            chip.on()
            flash.mount(chip)
            model.check((cut, tear))
            chip.on()
            model.add(False, 1)  # and it goes on
            model.check((cut, tear, "after"))
            while model.tell():
                pass
            assert waiting() == []
            assert chip.misused == 0
    print("%d cuts" % done)
    assert done > 20


def test_random_order_with_power_cuts():
    random = seeded("security log")
    blank()
    model = Model()
    cuts = 0
    for step in range(400):
        chip.on()
        if random.randrange(4) == 0:
            chip.dies_at, chip.tear = random.randrange(8), random.randrange(9)
        try:
            if random.randrange(3):
                model.add(random.randrange(2), random.randrange(2))
            else:
                model.tell()
        except OSError:
            assert chip.dead
        if chip.dead:
            cuts += 1
            chip.on()
            flash.mount(chip)
        model.check(step)
    print("%d lines, %d cuts" % (model.n, cuts))
    assert cuts > 20


def test_times_that_people_read():
    assert (
        format_iso(security.least_s(parse_iso("2026-11-20T12:00:00Z"))) == "2026-11-20T12:00:00Z"
    )
