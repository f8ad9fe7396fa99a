"""station.update: from when an update is asked for until the Central System knows what became of
it; over transactions, restarts and power cuts. The slots are stand-ins; the app is played."""

import os

from world import T0, UNSET, World, waiting

from firmware.electrical.pilot import B
from firmware.station import security, states
from firmware.station.update import (
    ASKED,
    BAD_SIGNATURE,
    INSTALLED,
    INSTALLING,
    LOADED,
    LOADING,
    NOT_INSTALLED,
    NOT_LOADED,
    PAUSED,
    RESUMED,
    SWITCHED,
    VERIFIED,
    WAITING,
    Update,
    bring,
    pause,
)
from firmware.storage import tags
from firmware.version import VERSION

HEAP = "800K"
PATH = "/flash/auth/update"


class Slots:
    """firmware/slots.py: `a` runs; switched: what was switched to."""

    def __init__(self):
        self.runs, self.switched, self.fails = "a", None, False

    def switch(self, name):
        if self.fails:
            raise OSError(28)
        self.switched = name


def world(connectors=1, **more):
    w = World(connectors, **more).ready()
    w.slots = Slots()
    return w


def ask(w, s=0, tries=3, pause_s=60, location="http://10.0.0.1/x.upd"):
    """-> the Update, or None"""
    update = Update(w.station)
    return update if update.ask(location, T0 + s, tries, pause_s) else None


def restart(w, runs=None):
    """A start after a power cut or a reset, in that slot; -> the Update or None"""
    w.slots.runs = runs or w.slots.runs
    w.boot().ready()
    Update(w.station).resume(w.slots.runs)
    return w.station.update


def turn(w, ms=200):
    """Is it the app's turn? Once."""
    w.poll(ms)
    update = w.station.update
    waits, update.waits = update.waits, False
    return waits


def installing(w):
    """-> an Update that has come so far"""
    update = ask(w)
    assert turn(w) and update.loading()
    update.loaded("b", "a")
    assert turn(w)
    return update


def tell(w):
    """All that is to be told, is."""
    out = []
    while w.station.update and w.station.update.news:
        out.append(w.station.update.news[0])
        w.station.update.told()
    return out


def kept():
    return "update" in os.listdir("/flash/auth")


def test_what_follows_on_what():
    w = world()
    notified = []
    w.station.notify = lambda: notified.append(w.station.update.news[-1])
    update = ask(w, 5)
    assert update.state == ASKED and tell(w) == [] and kept()
    while w.station.clock.now() < T0 + 4:
        assert not turn(w)
    assert turn(w, 1000) and not turn(w)
    assert update.loading() and tell(w) == [LOADING] == notified
    update.loaded("b", "a")
    assert tell(w) == [LOADED]
    assert turn(w) and not turn(w) and update.state == INSTALLING and tell(w) == [INSTALLING]
    assert len(open(PATH).read()) < 128
    update.switch(w.slots.switch)
    assert w.slots.switched == "b"
    update = restart(w, "b")
    assert update.state == SWITCHED and tell(w) == [] and not turn(w) and not w.c.ending
    update.good()
    assert tell(w) == [INSTALLED]
    assert w.station.update is None and not kept()
    # A security event too, once.
    (line,) = security.log(w.station).lines()
    assert line[2:] == (1, security.FIRMWARE_UPDATED, "version " + VERSION)


def test_what_is_not_told_yet_is_told_after_the_restart():
    w = world()
    update = ask(w)
    assert turn(w) and update.loading()
    update.loaded("b", "a")
    turn(w)
    update.switch(w.slots.switch)
    update = restart(w, "b")
    update.good()
    update = restart(w)  # the power fails before a word was said
    assert tell(w) == [LOADING, LOADED, INSTALLING, INSTALLED]
    assert not kept() and restart(w) is None


def test_the_slot_before_runs_again():
    w = world()
    update = installing(w)
    tell(w)
    update.switch(w.slots.switch)
    update = restart(w, "a")
    assert update.over() and tell(w) == [NOT_INSTALLED]
    assert w.station.update is None and not kept() and not w.c.ending


def test_a_switch_that_the_flash_refuses():
    w = world()
    update = installing(w)
    w.slots.fails = True
    update.switch(w.slots.switch)
    assert tell(w) == [LOADING, LOADED, INSTALLING, NOT_INSTALLED] and not kept()


def test_attempts():
    w = world()
    for tries in (1, 2, 5):
        update = ask(w, tries=tries)
        assert turn(w)
        for left in range(tries - 1, 0, -1):
            assert update.loading() and update.failed(True) and update.tries == left
        assert update.loading() and not update.failed(True)
        assert tell(w) == [LOADING, NOT_LOADED] and not kept()
    update = ask(w)
    assert turn(w) and update.loading() and not update.failed(False), "another try is of no use"
    assert tell(w) == [LOADING, NOT_LOADED] and w.station.update is None


def test_a_power_cut_while_it_downloads_is_an_attempt():
    w = world()
    update = ask(w, tries=2)
    assert turn(w) and update.loading() and tell(w) == [LOADING]
    update = restart(w)
    assert update.state == LOADING and turn(w) and update.loading()
    assert tell(w) == [], "once"
    update = restart(w)
    assert update.over() and tell(w) == [NOT_LOADED] and not kept()


def test_it_is_kept_until_its_time():
    w = world()
    ask(w, 3600)
    update = restart(w)
    assert update.state == ASKED and not turn(w)
    assert update.location == "http://10.0.0.1/x.upd"
    w.time.t_ms = 1000 * UNSET
    update = restart(w)
    assert not turn(w, 60000), "nobody knows what time it is"


def test_a_newer_one_replaces_it():
    w = world()
    w.station.local().heard("TAG", tags.ACCEPTED)
    w.tag("TAG", 100)
    w.car(B, 1000)
    first = ask(w)
    assert turn(w) and first.loading() and w.c.tx
    second = ask(w, 3600, location="ftp://10.0.0.2/y.upd")
    assert not first.loading() and first.state == LOADING
    assert w.station.update is second and second.news == [LOADING]
    first.told()  # (which was on its way)
    assert not turn(w) and tell(w) == []
    w.poll(3601000)
    assert turn(w) and second.loading()
    second.loaded("b", "a")
    assert not turn(w) and w.c.ending
    third = ask(w, 7200)
    assert third and not w.c.ending, "what waits for a transaction may be replaced, too"
    assert tell(w) == [LOADING, LOADED]
    w.stop(states.LOCAL, 3600000)
    assert turn(w) and third.loading()
    third.loaded("b", "a")
    w.poll(200)
    assert third.state == INSTALLING and ask(w) is None and w.station.update is third


def test_one_that_somebody_brings_is_told_to_nobody():
    w = world()
    for end in ("failed", "cut", "replaced", "installed"):
        update = Update(w.station)
        assert bring(update) and update.state == LOADING and not turn(w) and kept()
        if end == "failed":
            assert not update.failed(False)
        elif end == "cut":
            assert restart(w) is None
        elif end == "replaced":
            newer = ask(w, 3600)
            assert newer and not update.loading() and not update.failed(False)
            assert w.station.update is newer and tell(w) == []
            newer.failed(False)
            assert tell(w) == [NOT_LOADED]
        else:
            update.loaded("b", "a")
            assert turn(w) and update.state == INSTALLING and not bring(Update(w.station))
            update.switch(w.slots.switch)
            update = restart(w, "b")
            assert not turn(w) and update.location is None
            update.good()
        assert w.station.update is None and not kept(), end


def test_no_transaction_begins_and_none_is_ended():
    w = world(2)
    w.station.local().heard("TAG", tags.ACCEPTED)
    w.tag("TAG", 100)
    w.car(B, 1000)
    assert w.c.tx
    update = ask(w)
    assert turn(w) and update.loading()
    w.access().tag("TAG", 2)
    w.poll()
    assert w.cs[1].waits, "while it downloads"
    update.loaded("b", "a")
    assert not turn(w) and update.state == LOADED
    assert w.cs[1].waits is None and w.access().choose("TAG", True) is None and not w.cs[1].free()
    w.car(B, 1000, 2)
    w.access().tag("TAG", 2)
    w.poll(1000)
    assert not w.cs[1].tx and not turn(w, 60000)
    update = restart(w)  # a power cut: the transaction goes on, and so does the wait for its end
    w.car(B, 1000)
    assert w.c.tx and not turn(w) and update.state == LOADED
    w.c.stop(states.LOCAL)
    w.poll(5000)
    assert not w.c.tx and turn(w) and update.state == INSTALLING
    update = restart(w)  # before the switch
    assert update.state == INSTALLING and turn(w)
    assert tell(w) == [LOADING, LOADED, INSTALLING], "each once"
    assert waiting(w.flash)


def test_another_code_was_put_there_meanwhile():
    """By make deploy: into the slot of the update, or elsewhere."""
    for runs, end in (("b", INSTALLED), ("rom", NOT_INSTALLED)):
        w = world()
        update = ask(w)
        assert turn(w) and update.loading()
        update.loaded("b", "a")
        tell(w)
        update = restart(w, runs)
        update.good()
        assert tell(w) == [end] and not kept()


def test_records_that_are_none():
    w = world()
    w.station.local()  # (makes the folder)
    for text in ("", "{}", "[]", "7", "null", "nonsense", "[2,0,[],'','a',1,1,1,'']",
                 '[2,0,[],"","a",1,1,1,""]', "[1,0,[]]"):  # fmt: skip
        with open(PATH, "w") as f:
            f.write(text)
        assert restart(w) is None, text
        update = ask(w)
        assert turn(w) and update.loading()
        os.remove(PATH)


def test_a_power_cut_at_every_operation():
    """Of its life: after each start it goes on, or all of it was told."""
    w = world(blocks=16)
    w.flash.on()
    blank = bytes(w.flash.data)

    def life():
        update = ask(w, tries=9)
        assert turn(w) and update.loading()
        tell(w)
        update.loaded("b", "a")
        tell(w)
        assert turn(w)
        tell(w)
        update.switch(w.slots.switch)
        w.slots.runs = "b"
        update = restart(w)
        update.good()
        tell(w)

    def ops():
        w.flash.restore(blank)
        w.slots.runs, w.slots.switched = "a", None
        w.boot().ready()

    ops()
    w.flash.on()
    life()
    total, done = w.flash.ops, 0
    for cut in range(total):
        for tear in (0, 3, 8):
            ops()
            w.flash.on()
            w.flash.dies_at, w.flash.tear = cut, tear
            try:
                life()
            except (AssertionError, AttributeError, OSError):
                pass
            if not w.flash.dead:
                continue
            done += 1
            w.flash.on()
            w.slots.runs = w.slots.switched or "a"
            update = restart(w)
            if not update:
                continue  # it was not durable yet, or was over
            for _ in range(2):
                if turn(w) and update.state == LOADING:
                    update.loaded("b", "a")
            if w.station.update and update.state == ASKED:
                assert update.loading()
                update.loaded("b", "a")
                turn(w)
            if update.state == INSTALLING:
                update.switch(w.slots.switch)
                update = restart(w, "b")
            update.good()
            assert tell(w)[-1:] in ([], [INSTALLED], [NOT_INSTALLED]), (cut, tear)
            assert w.station.update is None and not kept(), (cut, tear, update.state)
    print("%d cuts" % done)
    assert done > 20


# A job: an update whose signature is checked


PROOF = ["a certificate", "a signature"]


def job(w, s=0, number=7, install_s=0):
    update = Update(w.station)
    when = T0 + install_s if install_s else 0
    asked = update.ask("http://10.0.0.1/x.upd", T0 + s, 3, 60, number, when, PROOF)
    return update if asked else None


def checks(w):
    """-> a job that is loaded, and whose signature is the app's turn"""
    update = job(w)
    assert turn(w) and update.loading()
    update.loaded("b", "a", "00ff")
    assert turn(w) and not turn(w) and update.state == LOADED and update.proof() == PROOF
    return update


def test_a_job_is_installed_when_its_signature_is_good():
    w = world()
    update = checks(w)
    assert tell(w) == [[LOADING, 7], [LOADED, 7]]
    update.checked(True)
    assert turn(w) and tell(w) == [[VERIFIED, 7], [INSTALLING, 7], [SWITCHED, 7]]
    update.switch(w.slots.switch)
    update = restart(w, "b")
    assert update.job == 7
    update.good()
    assert tell(w) == [[INSTALLED, 7]]
    assert w.station.update is None and not kept() and not proofs()


def proofs():
    return [name for name in os.listdir("/flash/auth") if name[:9] == "signature"]


def test_a_job_without_a_good_signature_is_over():
    for good, end in ((False, BAD_SIGNATURE), (None, NOT_INSTALLED)):
        w = world()
        update = checks(w)
        update.checked(good)
        assert update.over() and not turn(w, 60000) and not w.c.ending and w.slots.switched is None
        assert tell(w) == [[LOADING, 7], [LOADED, 7], [end, 7]]
        assert w.station.update is None and not kept() and not proofs()


def test_a_job_waits_for_both_its_times():
    w = world()
    w.station.local().heard("TAG", tags.ACCEPTED)
    update = job(w, 100, 8, 3600)
    assert tell(w) == [[ASKED, 8]] and not turn(w)
    update = restart(w)
    assert not turn(w) and turn(w, 101000) and update.loading()
    update.loaded("b", "a", "00ff")
    assert turn(w)
    update.checked(True)
    assert not turn(w) and not turn(w) and not w.c.ending, "cards are taken until then"
    assert tell(w) == [[LOADING, 8], [LOADED, 8], [VERIFIED, 8], [WAITING, 8]]
    update = restart(w)
    assert update.state == WAITING and not turn(w) and tell(w) == []
    assert turn(w, 3600000) and tell(w) == [[INSTALLING, 8], [SWITCHED, 8]]


def test_the_signature_is_checked_again_after_a_power_cut():
    w = world()
    update = checks(w)
    update = restart(w)
    assert turn(w) and update.state == LOADED
    assert update.digest == "00ff" and update.proof() == PROOF


def test_a_signature_waits_until_the_time_is_known():
    """A certificate has dates: nobody is called wrong because the power has failed."""
    w = world()
    checks(w)
    w.time.t_ms = 1000 * UNSET
    update = restart(w)
    assert not w.station.clock.known() and not turn(w, 60000) and update.state == LOADED
    w.told(T0 + 600, 0)
    assert update.waits or turn(w)


def test_what_is_replaced_is_stopped_and_comes_never_back():
    """Also what came to an end in that moment."""
    w = world()
    first, stopped = ask(w), []
    assert turn(w) and first.loading()
    first.stop = lambda: stopped.append(first)
    second = ask(w, 3600, location="http://10.0.0.1/second")
    assert stopped == [first]
    first.loaded("b", "a")
    assert tell(w) == [LOADING], "nothing more of the first"
    assert restart(w).location == second.location


def test_what_takes_a_jobs_place_and_whose_place_it_takes():
    w = world()
    first = job(w, 3600, 1)
    second = job(w, 3600, 2)
    assert second.news == [[ASKED, 1], [ASKED, 2]] and second.proof() == PROOF
    assert len(proofs()) == 1
    second = restart(w)
    assert second.job == 2 and second.proof() == PROOF
    third = ask(w, 3600)  # without a signature
    assert third.job is None and not proofs()
    fourth = job(w, 0, 4)
    assert turn(w) and fourth.loading() and not first.loading() and not third.loading()
    fourth.loaded("b", "a", "00ff")
    assert turn(w)
    fifth = job(w, 3600, 5)  # while the signature is checked
    assert not fourth.loading() and fifth.proof() == PROOF
    assert tell(w) == [[ASKED, 1], [ASKED, 2], [LOADING, 4], [LOADED, 4], [ASKED, 5]]


def test_a_job_without_a_signature_is_told_and_not_checked():
    """Its download waits now and then, and its installation for its time."""
    w = world()
    update = Update(w.station)
    assert update.ask("http://10.0.0.1/x.upd", T0, 3, 60, 9, T0 + 3600)
    assert not update.signed() and not proofs()
    assert turn(w) and update.loading()
    pause(update, True)
    pause(update, False)
    assert tell(w) == [[LOADING, 9], [PAUSED, 9], [RESUMED, 9]]
    update.loaded("b", "a", "00ff")
    pause(update, True)
    update = restart(w)
    assert not turn(w) and update.state == WAITING and update.job == 9
    assert tell(w) == [[LOADED, 9], [WAITING, 9]]
    assert turn(w, 3600000) and tell(w) == [[INSTALLING, 9], [SWITCHED, 9]]
    update = ask(world())  # (that of another language has no number)
    pause(update, True)
    assert not update.news


def test_a_power_cut_while_a_job_takes_the_place_of_another():
    """The one or the other, with the signature that is its own."""
    w = world(blocks=16)
    w.flash.on()
    blank, done = bytes(w.flash.data), 0

    def begin():
        w.flash.restore(blank)
        w.boot().ready()
        assert Update(w.station).ask("http://a/1", T0 + 3600, 3, 60, 1, 0, [1, "x" * 900])

    begin()
    w.flash.on()
    assert Update(w.station).ask("http://a/2", T0 + 3600, 3, 60, 2, 0, [2, "y" * 900])
    total = w.flash.ops
    for cut in range(total):
        for tear in (0, 3, 8):
            begin()
            w.flash.on()
            w.flash.dies_at, w.flash.tear = cut, tear
            try:
                Update(w.station).ask("http://a/2", T0 + 3600, 3, 60, 2, 0, [2, "y" * 900])
            except OSError:
                pass
            if not w.flash.dead:
                continue
            done += 1
            w.flash.on()
            update = restart(w)
            assert update.proof()[0] == update.job == int(update.location[-1]), (cut, tear)
    print("%d cuts" % done)
    assert done > 5
