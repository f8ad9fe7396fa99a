"""storage.tags: the local list and the cache, on flash, under power cuts."""

import gc

import flash
from world import T0, UNSET, Time

from firmware import clock
from firmware.storage.tags import MAX_LIST, Tags

HEAP = "512K"

TORN = (0, 1, 4, 7, 8)


class Place:
    def __init__(self, blocks=16, t=T0):
        self.time = clock.time = Time(t)
        self.flash = flash.Flash(blocks)
        flash.mount(self.flash)
        self.said = []
        self.settings = {
            "cache": True,
            "list": True,
            "offline_known": True,
            "preauthorise": False,
            "offline_unknown": False,
        }
        self.boot()

    def boot(self):
        flash.mount(self.flash)
        c = clock.Clock(self.time)
        self.auth = Tags("/flash/auth", self.settings.__getitem__, c, self.said.append)
        return self.auth


def test_what_was_heard_is_known_without_case_and_after_a_reboot():
    p = Place()
    a = p.auth
    assert a.known("TAG") is None
    a.heard("Tag", "Accepted", T0 + 100, "GROUP")
    a.heard("other", "Blocked")
    for _ in range(2):
        assert a.known("TAG") == a.known("tag") == ("Accepted", "GROUP")
        assert a.known("OTHER") == ("Blocked", None)
        assert a.known("TA") is None and a.known("TAGG") is None and a.known("") is None
        a = p.boot()
    a.heard("tAG", "Expired")
    assert a.known("Tag") == ("Expired", None)


def test_an_entry_expires():
    p = Place()
    p.auth.heard("TAG", "Accepted", T0 + 100)
    p.time.pass_ms(99999)
    assert p.auth.known("TAG") == ("Accepted", None) and p.auth.offline("TAG")
    p.time.pass_ms(1)
    assert p.auth.known("TAG") == ("Expired", None) and not p.auth.offline("TAG")
    p.auth.heard("OLD", "Blocked", T0 - 5)
    assert p.auth.known("OLD") == ("Blocked", None)
    p.time.t_ms = UNSET * 1000  # nobody knows what time it is: the doubt is the driver's favour
    assert p.auth.known("TAG") == ("Accepted", None)


def test_offline():
    p = Place()
    p.auth.heard("GOOD", "Accepted")
    p.auth.heard("BAD", "Invalid")
    for local in (True, False):
        for unknown in (True, False):
            p.settings["offline_known"] = local
            p.settings["offline_unknown"] = unknown
            answers = [p.auth.offline(tag) for tag in ("GOOD", "BAD", "NEW")]
            assert answers == [local, False, unknown]


def test_at_once():
    p = Place()
    p.auth.heard("GOOD", "Accepted")
    p.auth.heard("BAD", "Invalid")
    for pre in (True, False):
        p.settings["preauthorise"] = pre
        assert [p.auth.at_once(tag) for tag in ("GOOD", "BAD", "NEW")] == [pre, False, False]


def test_the_list_comes_before_the_cache():
    p = Place()
    p.auth.heard("A", "Accepted")
    assert p.auth.version() == 0
    assert p.auth.set_list(7, [("a", "Blocked", None, None), ("B", "Accepted", T0 + 10, "P")])
    assert p.auth.version() == 7
    assert p.auth.known("A") == ("Blocked", None) and p.auth.known("b") == ("Accepted", "P")
    p.auth.heard("B", "Invalid")  # is not cached
    p.settings["list"] = False
    assert p.auth.known("A") == ("Accepted", None) and p.auth.known("B") is None
    p.settings["cache"] = False
    assert p.auth.known("A") is None
    p.auth.heard("C", "Accepted")
    p.settings["cache"] = True
    assert p.auth.known("C") is None
    p.settings["list"] = True
    assert p.auth.set_list(0, []) and p.auth.known("B") is None


def test_clear_leaves_the_list():
    p = Place()
    p.auth.clear()
    p.auth.heard("A", "Accepted")
    p.auth.set_list(1, [("B", "Accepted", None, None)])
    p.auth.clear()
    assert p.auth.known("A") is None and p.auth.known("B")


def test_the_cache_is_bounded_and_the_oldest_goes():
    p = Place()
    for i in range(80):
        p.auth.heard("TAG%d" % i, "Accepted")
    assert [bool(p.auth.known("TAG%d" % i)) for i in range(80)] == [False] * 30 + [True] * 50
    p.auth.heard("TAG30", "Blocked")  # heard of again
    p.auth.heard("NEW", "Accepted")
    assert p.auth.known("TAG30") and not p.auth.known("TAG31")


def test_the_list_is_bounded():
    p = Place(32)
    entries = [("TAG%d" % i, "Accepted", None, None) for i in range(MAX_LIST)]
    assert p.auth.set_list(1, entries)
    assert not p.auth.set_list(2, entries + entries[:1])
    assert p.auth.version() == 1 and p.auth.known("TAG199") and not p.auth.known("TAG200")


def test_what_cannot_be_kept_is_not():
    p = Place()
    for tag in ("", "x" * 21, "a\tb", "a\nb", "caf\u00e9", "\x00"):
        p.auth.heard(tag, "Accepted")
        assert p.auth.known(tag) is None, tag
    p.auth.heard("TAG", "Accepted", None, "gr\u00fcn")
    assert p.auth.known("TAG") == ("Accepted", None)
    p.auth.heard("TAG", "ConcurrentTx")
    assert p.auth.known("TAG") == ("Accepted", None)


def test_damaged_files_are_no_entries():
    p = Place()
    for text in (b"", b"\xff\xfe", b"TAG", b"TAG\tAccepted", b"TAG\tAccepted\tx\t\n", b"\0" * 50):
        for name in ("cache", "list"):
            with open("/flash/auth/" + name, "wb") as f:
                f.write(text)
        assert p.boot().known("TAG") is None and p.auth.version() == 0, text
        p.auth.heard("TAG", "Accepted")
        assert p.auth.known("TAG") == ("Accepted", None)


def test_the_same_again_costs_no_write():
    p = Place()
    for i in range(10):
        p.auth.heard("TAG%d" % i, "Accepted", T0 + 100, "P")
    p.flash.on()
    for i in range(10):
        p.auth.heard("TAG%d" % i, "Accepted", T0 + 100, "P")
        p.auth.known("TAG%d" % i)
    assert p.flash.ops == 0
    for i in range(100):
        p.auth.heard("TAG%d" % (i % 10), "Accepted", T0 + i, "P")
    print("%d erases, %d operations in 100 changes" % (p.flash.erases, p.flash.ops))
    assert p.flash.erases <= 210


def test_power_cut_at_every_operation():
    p = Place(12)
    for i in range(5):
        p.auth.heard("TAG%d" % i, "Accepted")
    p.auth.set_list(1, [("L", "Accepted", None, None)])
    image = bytes(p.flash.data)

    def change():
        p.auth.heard("TAG2", "Blocked")
        p.auth.set_list(2, [("L", "Blocked", None, None)])
        p.auth.clear()

    p.flash.on()
    change()
    total, cuts = p.flash.ops, 0
    for cut in range(total):
        for torn in TORN:
            gc.collect()
            p.flash.restore(image)
            p.boot()
            p.flash.dies_at, p.flash.tear = cut, torn
            change()
            assert p.flash.dead
            p.flash.on()
            p.said.clear()
            a = p.boot()
            cuts += 1
            tags = [a.known("TAG%d" % i) for i in range(5)]
            good = ("Accepted", None)
            assert tags in (
                [good] * 5, [good, good, ("Blocked", None), good, good], [None] * 5
            ), tags  # fmt: skip
            assert (a.version(), a.known("L")) in ((1, good), (2, ("Blocked", None)))
            a.heard("NEW", "Accepted")
            assert a.known("NEW") == good and p.said == []
    print("%d operations, %d cuts" % (total, cuts))
    assert p.flash.misused == 0


def test_a_flash_operation_that_fails_changes_nothing_or_all():
    p = Place(12)
    for i in range(20):
        p.auth.heard("TAG%d" % i, "Accepted")
    image = bytes(p.flash.data)
    good, new = ("Accepted", None), ("Blocked", "P")
    entries = [("L%d" % i, "Accepted", None, None) for i in range(40)]
    p.flash.on()
    p.auth.heard("TAG1", "Blocked", T0 + 9, "P")
    p.auth.set_list(3, entries)
    for n in range(p.flash.ops):
        gc.collect()
        p.flash.restore(image)
        p.boot()
        p.said.clear()
        p.flash.fails_at = n
        p.auth.heard("TAG1", "Blocked", T0 + 9, "P")
        kept = p.auth.set_list(3, entries)
        p.flash.on()
        for a in (p.auth, p.boot()):
            assert a.known("TAG0") == a.known("TAG19") == good
            assert a.known("TAG1") in (good, new) and (a.known("TAG1") == new or p.said)
            listed = a.version(), bool(a.known("L39"))
            assert listed == (3, True) or listed == (0, False) and not kept


def test_nothing_of_it_stays_in_ram():
    p = Place(32)
    gc.collect()
    before = gc.mem_alloc()
    p.auth.set_list(1, [("TAG%d" % i, "Accepted", None, None) for i in range(100)])
    for i in range(50):
        p.auth.heard("X%d" % i, "Accepted")
        p.auth.known("TAG%d" % i)
    gc.collect()
    assert gc.mem_alloc() - before < 1500
