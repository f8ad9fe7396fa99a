"""Times that were noted while the clock was not set, over several starts of the unit: order and
times agree, and what is wrong about them is the time without power."""

import gc
import os

import flash
from rig import seeded
from world import T0, UNSET, World

from firmware.clock import PLAUSIBLE, UNSET_s
from firmware.electrical import pilot
from firmware.station import states
from firmware.station.retime import set_clock
from firmware.storage.journal import SAMPLE, START, STOP

HEAP = "1600K"
BOTH = True
CHIP = True

NOTE_s = 300  # a power cut may take so much of the time that is known

SETTINGS = (
    ("sample_s", 60),
    ("sampled", 1),
    ("stop_sampled", 1),
    ("stop_unplugged", True),
)


class Life:
    """A unit offline, with what happens noted by the true time.

    events: [kind, true second, start of the unit]; starts: of each, [was the clock set in it,
    seconds without power before it, power cuts before it], counted from the first.
    """

    def __init__(self, known=True):
        self.w = World(t=T0 if known else UNSET, blocks=16)
        for key, value in SETTINGS:
            self.w.settings[key] = value
        self.true_ms = T0 * 1000
        self.known = known
        self.events = []
        self.starts = [[known, 0, 0]]
        self.watch()
        self.idle(2)

    def watch(self):
        j = self.w.journal
        for kind, name in ((START, "start"), (SAMPLE, "sample"), (STOP, "stop")):
            setattr(j, name, self.noting(kind, getattr(j, name)))

    def noting(self, kind, keep):
        def noted(*args):
            self.events.append([kind, self.true_ms // 1000, len(self.starts) - 1])
            return keep(*args)

        return noted

    def idle(self, s):
        w = self.w
        while s > 0:
            step = min(s, 1 if w.c.tx or w.c.waits else 50)
            if step > 1:
                w.time.pass_ms((step - 1) * 1000)
                self.true_ms += (step - 1) * 1000
            for _ in range(2):
                self.true_ms += 500
                w.poll(500)
            w.clock.note(NOTE_s)
            w.station.metering.poll(w.clock.now(), w.clock.known(), step * 1000)
            s -= step

    def begin(self):
        self.w.c.controller.state = pilot.C
        self.w.station.access().accept("TAG", self.w.c)
        self.idle(2)
        assert self.w.c.tx or self.w.flash.dead

    def end(self):
        self.w.c.stop(states.LOCAL, "TAG")
        self.idle(3)
        assert not self.w.c.tx
        self.w.c.controller.state = pilot.A
        self.idle(2)

    def session(self, s=150):
        self.begin()
        self.idle(s)
        self.end()

    def power_cut(self, off_s):
        self.true_ms += off_s * 1000
        _, before_s, cuts = self.starts[-1]
        self.starts.append([False, before_s + off_s, cuts + 1])
        self.w.boot(UNSET)
        self.watch()
        self.idle(2)

    def set_clock(self):
        t, ms = divmod(self.true_ms, 1000)
        set_clock(self.w.station, t, ms or 1, 0)
        assert abs(self.w.clock.now() - t) <= 1
        self.starts[-1][0] = True

    def told(self):
        """The times of all messages, as they are told now: [(kind, s), ...]"""
        out = []
        j = self.w.journal
        while j.head():
            kind, tx, sample = j.head()
            out.append((kind, {START: tx.start_s, STOP: tx.stop_s}.get(kind) or sample[0]))
            data = [s[0] for s in tx.data] if kind == STOP else []
            assert data == sorted(data) and (not data or data[-1] <= out[-1][1]), data
            assert not data or tx.start_s <= data[0], (tx.start_s, data)
            j.done()
        return out

    def check(self):
        told = self.told()
        assert [kind for kind, _ in told] == [e[0] for e in self.events], (told, self.events)
        assert [t for _, t in told] == sorted([t for _, t in told]), told
        worst = 0
        for (_, t), (_, true_s, start) in zip(told, self.events):
            # (from the last start before in which the time was known)
            was_set, off_s, cuts = self.starts[start]
            base = [s for s in self.starts[: start + 1] if s[0]]
            low = high = 1  # (whole seconds)
            if not was_set and base:
                low += off_s - base[-1][1] + NOTE_s * (cuts - base[-1][2])
            elif not was_set:  # nothing was ever known: up to the first start in which it was
                after = [s for s in self.starts[start:] if s[0]][0]
                high += after[1] - off_s + NOTE_s * (after[2] - cuts)
            assert true_s - low <= t <= true_s + high, (t - true_s, low, high, start)
            worst = max(worst, abs(t - true_s))
        return worst


def test_a_session_between_two_power_cuts_offline():
    """The first session after a power cut, two idle hours, a power cut of 1 s, another session."""
    life = Life()
    life.idle(3600)
    life.power_cut(600)
    life.idle(90)
    life.session()
    life.idle(7200)
    life.power_cut(1)
    life.idle(60)
    life.session()
    life.set_clock()
    worst = life.check()
    print("%d s wrong at most, of 601 s without power" % worst)


def test_a_transaction_over_two_power_cuts():
    life = Life()
    life.idle(1000)
    life.begin()
    life.idle(200)
    for off_s in (30, 40):
        life.power_cut(off_s)
        life.idle(500)
    origin_s = life.w.c.tx.origin_s
    life.set_clock()
    assert life.w.c.tx.origin_s == origin_s  # (it began when the time was known)
    life.end()
    life.check()


def test_a_transaction_that_began_without_a_clock_and_outlives_the_power():
    for known in (True, False):
        life = Life(known)
        life.idle(500)
        life.power_cut(100)
        life.idle(30)
        life.begin()
        began_s = life.true_ms // 1000
        life.idle(400)
        life.power_cut(50)
        life.idle(100)
        life.set_clock()
        off_s = began_s - life.w.c.tx.origin_s
        assert (0 <= off_s <= 100 + 50 + 302) if known else (-50 - 302 <= off_s <= 2), off_s
        life.end()
        life.check()


def test_a_transaction_that_began_without_a_clock_which_was_set_before_the_power_failed():
    """What was told before it, by the clock as it was set, was before it."""
    for data in (0, 1):
        life = Life()
        life.w.settings["stop_sampled"] = data
        life.power_cut(700)
        life.session()
        life.begin()
        life.idle(70)
        life.set_clock()
        life.idle(70)
        life.power_cut(5)
        life.end()
        life.set_clock()
        life.check()


def test_a_unit_that_never_knew_the_time():
    life = Life(False)
    life.session()
    for off_s in (5, 100, 7):
        life.power_cut(off_s)
        life.idle(1000)
        life.session()
    life.set_clock()
    life.check()


def test_the_time_is_told_in_between():
    """Starts in which the clock was set, and nothing was told, keep their times."""
    life = Life()
    for i in range(4):
        life.power_cut(10 + i)
        life.session()
        if i % 2:
            life.set_clock()
        life.idle(100)
        life.session()
    life.power_cut(5)
    life.session()
    life.set_clock()
    life.check()


def test_random_lives():
    random = seeded("lives")
    for known in (True, True, False):
        life = Life(known)
        for _ in range(12):
            what = random.randrange(6)
            if what == 0:
                life.power_cut(random.randrange(3000))
            elif what == 1:
                life.set_clock()
            elif life.w.c.tx:
                life.end()
            elif what == 2:
                life.begin()
            elif what == 3:
                life.session(random.randrange(200))
            life.idle(random.randrange(1 << random.randrange(1, 12)))
        life.set_clock()
        life.check()
        gc.collect()


def test_the_noted_time_is_lost_or_damaged():
    """Then what was noted since then counts from the last time that the other files know, or
    moves by what the clock moves at last: never beyond this start."""
    for text in (None, "", "x 1", "%d 1" % (PLAUSIBLE - 5)):
        life = Life()
        life.power_cut(20)
        life.session()
        life.idle(1000)
        if text is None:
            flash_remove()
        else:
            with open("/flash/last_time", "w") as f:
                f.write(text)
        life.power_cut(20)
        life.idle(100)
        life.session()
        life.idle(100)
        life.set_clock()
        life.check()
        life = Life()
        life.idle(100)
        flash_remove()
        for _ in range(2):  # nothing is known from here on
            life.power_cut(20)
            life.session()
        life.set_clock()
        times = [t for _, t in life.told()]
        assert times == sorted(times) and times[-1] <= life.true_ms // 1000
        assert T0 - 1000 <= times[0], times[0] - T0


def flash_remove():
    os.remove("/flash/last_time")


def test_a_clock_that_was_ahead_is_set_back():
    """The last time known was wrong: what was noted since is never told as later than this
    start."""
    life = Life()
    set_clock(life.w.station, T0 + 86400 * 300, 1, 0)
    life.idle(400)
    life.power_cut(10)
    life.session()
    life.power_cut(10)
    life.session()
    life.set_clock()
    times = [t for _, t in life.told()]
    assert times == sorted(times) and times[-1] <= life.true_ms // 1000 and times[0] >= T0


def test_a_transaction_that_began_by_a_clock_that_was_ahead_tells_no_time():
    """Set back by a minute while it runs, and a power cut: what its start and its samples say was
    never the time, and the least that it can be is not later than the truth."""
    for data in (0, 1):
        life = Life()
        life.w.settings["stop_sampled"] = data
        life.idle(400)
        set_clock(life.w.station, life.true_ms // 1000 + 60, 1, 0)
        life.begin()
        life.set_clock()
        life.idle(5)
        life.power_cut(1)
        true_s = life.true_ms // 1000
        assert true_s - 12 <= life.w.clock.least_s() <= true_s, life.w.clock.least_s() - true_s


def test_what_a_transaction_noted_is_a_time_that_there_was():
    """Also where nothing else knows it: of one that runs by the clock as it is now, of one that is
    over as long as the Central System has not heard of it."""
    for over in (False, True):
        life = Life()
        life.begin()
        life.true_ms += 3600000
        life.set_clock()  # (the clock was an hour late)
        if over:
            life.idle(20)
            life.end()
        with open("/flash/last_time", "w") as f:
            f.write("%d 1" % (life.w.clock.now() - 200))
        life.power_cut(1)
        late_s = life.true_ms // 1000 - life.w.clock.least_s()
        assert 0 <= late_s <= (8 if over else 5), late_s


def cut_while_the_clock_is_set(tear):
    life = Life()
    life.idle(400)
    life.power_cut(60)
    life.session(70)
    life.idle(1000)
    image = bytes(life.w.flash.data)
    at = life.true_ms, [list(e) for e in life.events], [list(s) for s in life.starts]
    cut = 0
    while True:
        w = life.w
        gc.collect()
        w.flash.restore(image)
        flash.mount(w.flash)
        life.true_ms = at[0]
        life.events[:] = [list(e) for e in at[1]]
        life.starts[:] = [list(s) for s in at[2]]
        w.c.controller.state = pilot.A
        w.flash.tear, w.flash.dies_at = tear, None
        died = False
        try:
            w.flash.ops, w.flash.dies_at = 0, cut
            life.power_cut(1)
            life.begin()
            life.idle(20)
            life.set_clock()
            life.end()
        except OSError:
            died = True
        died = died or w.flash.dead
        if died:
            w.flash.on()
            flash.mount(w.flash)
            life.starts[-1][0] = False  # (it may have been kept, or not)
            life.power_cut(5)
            if life.w.c.tx:
                life.end()
        w.flash.dies_at = None
        life.set_clock()
        bounded(life)
        if not died:
            return cut
        cut += 1


def bounded(life):
    """As check(), where what was being noted at the power cut may be there or not."""
    told = [t for _, t in life.told()]
    assert told == sorted(told), told
    i = 0
    for t in told:
        while not life.events[i][1] - 66 - 3 * NOTE_s <= t <= life.events[i][1] + 1:
            i += 1
        i += 1


def test_power_cuts_while_the_clock_is_set():
    for tear in (0, 3, 8):
        cuts = cut_while_the_clock_is_set(tear)
        print("%d/8 of the operation happen: %d cuts" % (tear, cuts))
        assert cuts > 10, cuts


def test_what_was_not_told_yet_of_statuses_moves_with_the_clock():
    w = World(t=UNSET).ready()
    w.car(pilot.B, 2000)
    noted_s = w.station.news[-1].time_s
    ago_s = w.clock.now() - noted_s
    set_clock(w.station, T0, 0, 0)
    assert w.station.news[-1].time_s == T0 - ago_s and UNSET_s > 0
