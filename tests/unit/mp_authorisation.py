"""storage.tags: the local list and the cache, on flash, under power cuts."""

import gc

import flash
from world import T0, UNSET, Time

from firmware import clock
from firmware.storage.tags import ACCEPTED, EXPIRED, IN_USE, MAX_LIST, Tags

HEAP = "512K"

BLOCKED, INVALID = 1, 3
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
    a.heard("Tag", ACCEPTED, T0 + 100, "GROUP")
    a.heard("other", BLOCKED)
    for _ in range(2):
        assert a.known("TAG") == a.known("tag") == (ACCEPTED, "GROUP")
        assert a.known("OTHER") == (BLOCKED, None)
        assert a.known("TA") is None and a.known("TAGG") is None and a.known("") is None
        a = p.boot()
    a.heard("tAG", EXPIRED)
    assert a.known("Tag") == (EXPIRED, None)


def test_an_entry_expires():
    p = Place()
    p.auth.heard("TAG", ACCEPTED, T0 + 100)
    p.time.pass_ms(99999)
    assert p.auth.known("TAG") == (ACCEPTED, None) and p.auth.offline("TAG")
    p.time.pass_ms(1)
    assert p.auth.known("TAG") == (EXPIRED, None) and not p.auth.offline("TAG")
    p.auth.heard("OLD", BLOCKED, T0 - 5)
    assert p.auth.known("OLD") == (BLOCKED, None)
    p.time.t_ms = UNSET * 1000  # nobody knows what time it is: the doubt is the driver's favour
    assert p.auth.known("TAG") == (ACCEPTED, None)


def test_offline():
    p = Place()
    p.auth.heard("GOOD", ACCEPTED)
    p.auth.heard("BAD", INVALID)
    for local in (True, False):
        for unknown in (True, False):
            p.settings["offline_known"] = local
            p.settings["offline_unknown"] = unknown
            answers = [p.auth.offline(tag) for tag in ("GOOD", "BAD", "NEW")]
            assert answers == [local, False, unknown]


def test_at_once():
    p = Place()
    p.auth.heard("GOOD", ACCEPTED)
    p.auth.heard("BAD", INVALID)
    for pre in (True, False):
        p.settings["preauthorise"] = pre
        assert [p.auth.at_once(tag) for tag in ("GOOD", "BAD", "NEW")] == [pre, False, False]


def test_the_list_comes_before_the_cache():
    p = Place()
    p.auth.heard("A", ACCEPTED)
    assert p.auth.version() == 0
    assert p.auth.set_list(7, [("a", BLOCKED, None, None), ("B", ACCEPTED, T0 + 10, "P")])
    assert p.auth.version() == 7
    assert p.auth.known("A") == (BLOCKED, None) and p.auth.known("b") == (ACCEPTED, "P")
    p.auth.heard("B", INVALID)  # is not cached
    p.settings["list"] = False
    assert p.auth.known("A") == (ACCEPTED, None) and p.auth.known("B") is None
    p.settings["cache"] = False
    assert p.auth.known("A") is None
    p.auth.heard("C", ACCEPTED)
    p.settings["cache"] = True
    assert p.auth.known("C") is None
    p.settings["list"] = True
    assert p.auth.set_list(0, []) and p.auth.known("B") is None


def test_clear_leaves_the_list():
    p = Place()
    p.auth.clear()
    p.auth.heard("A", ACCEPTED)
    p.auth.set_list(1, [("B", ACCEPTED, None, None)])
    p.auth.clear()
    assert p.auth.known("A") is None and p.auth.known("B")


def test_the_cache_is_bounded_and_the_oldest_goes():
    p = Place()
    for i in range(80):
        p.auth.heard("TAG%d" % i, ACCEPTED)
    assert [bool(p.auth.known("TAG%d" % i)) for i in range(80)] == [False] * 30 + [True] * 50
    p.auth.heard("TAG30", BLOCKED)  # heard of again
    p.auth.heard("NEW", ACCEPTED)
    assert p.auth.known("TAG30") and not p.auth.known("TAG31")


def test_the_list_is_bounded():
    p = Place(32)
    entries = [("TAG%d" % i, ACCEPTED, None, None) for i in range(MAX_LIST)]
    assert p.auth.set_list(1, entries)
    assert not p.auth.set_list(2, entries + entries[:1])
    assert p.auth.version() == 1 and p.auth.known("TAG199") and not p.auth.known("TAG200")


def test_what_cannot_be_kept_is_not():
    p = Place()
    for tag in ("", "x" * 37, "a\tb", "a\nb", "caf\u00e9", "\x00"):
        p.auth.heard(tag, ACCEPTED)
        assert p.auth.known(tag) is None, tag
    p.auth.heard("TAG", ACCEPTED, None, "gr\u00fcn")
    assert p.auth.known("TAG") == (ACCEPTED, None)
    p.auth.heard("TAG", IN_USE)
    assert p.auth.known("TAG") == (ACCEPTED, None)


def test_damaged_files_are_no_entries():
    p = Place()
    for text in (
        b"",
        b"\xff\xfe",
        b"TAG",
        b"TAG\t0\t0",
        b"TAG\t0\t0\tx\t\n",
        b"TAG\t0\t\t5\t\n",
        b"\0" * 50,
    ):
        for name in ("cache", "list"):
            with open("/flash/auth/" + name, "wb") as f:
                f.write(text)
        assert p.boot().known("TAG") is None and p.auth.version() == 0, text
        p.auth.heard("TAG", ACCEPTED)
        assert p.auth.known("TAG") == (ACCEPTED, None)


def test_the_same_again_costs_no_write():
    p = Place()
    for i in range(10):
        p.auth.heard("TAG%d" % i, ACCEPTED, T0 + 100, "P")
    p.flash.on()
    for i in range(10):
        p.auth.heard("TAG%d" % i, ACCEPTED, T0 + 100, "P")
        p.auth.known("TAG%d" % i)
    assert p.flash.ops == 0
    for i in range(100):
        p.auth.heard("TAG%d" % (i % 10), ACCEPTED, T0 + i, "P")
    print("%d erases, %d operations in 100 changes" % (p.flash.erases, p.flash.ops))
    assert p.flash.erases <= 210


def test_power_cut_at_every_operation():
    p = Place(12)
    for i in range(5):
        p.auth.heard("TAG%d" % i, ACCEPTED)
    p.auth.set_list(1, [("L", ACCEPTED, None, None)])
    image = bytes(p.flash.data)

    def change():
        p.auth.heard("TAG2", BLOCKED)
        p.auth.set_list(2, [("L", BLOCKED, None, None)])
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
            good = (ACCEPTED, None)
            assert tags in (
                [good] * 5, [good, good, (BLOCKED, None), good, good], [None] * 5
            ), tags  # fmt: skip
            assert (a.version(), a.known("L")) in ((1, good), (2, (BLOCKED, None)))
            a.heard("NEW", ACCEPTED)
            assert a.known("NEW") == good and p.said == []
    print("%d operations, %d cuts" % (total, cuts))
    assert p.flash.misused == 0


def test_a_flash_operation_that_fails_changes_nothing_or_all():
    p = Place(12)
    for i in range(20):
        p.auth.heard("TAG%d" % i, ACCEPTED)
    image = bytes(p.flash.data)
    good, new = (ACCEPTED, None), (BLOCKED, "P")
    entries = [("L%d" % i, ACCEPTED, None, None) for i in range(40)]
    p.flash.on()
    p.auth.heard("TAG1", BLOCKED, T0 + 9, "P")
    p.auth.set_list(3, entries)
    for n in range(p.flash.ops):
        gc.collect()
        p.flash.restore(image)
        p.boot()
        p.said.clear()
        p.flash.fails_at = n
        p.auth.heard("TAG1", BLOCKED, T0 + 9, "P")
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
    p.auth.set_list(1, [("TAG%d" % i, ACCEPTED, None, None) for i in range(100)])
    for i in range(50):
        p.auth.heard("X%d" % i, ACCEPTED)
        p.auth.known("TAG%d" % i)
    gc.collect()
    assert gc.mem_alloc() - before < 1500


def test_tags_of_36_characters_and_their_kinds():
    p = Place()
    tag, group = "0123456789abcdefghij" + "K" * 16, "g" * 36
    p.auth.heard(tag, ACCEPTED, None, group, 1)
    p.auth.heard(tag, BLOCKED)
    for _ in range(2):
        assert p.auth.known(tag.upper(), 1) == (ACCEPTED, group) and p.auth.offline(tag, 1)
        assert p.auth.known(tag) == (BLOCKED, None) and not p.auth.offline(tag)
        assert p.auth.known(tag, 2) is None and p.auth.known(tag[:-1], 1) is None
        p.boot()
    p.auth.heard(tag, INVALID, None, None, 1)
    assert p.auth.known(tag, 1) == (INVALID, None) and p.auth.known(tag) == (BLOCKED, None)
    assert p.auth.set_list(1, [(tag, ACCEPTED, None, None, 2)])
    assert p.auth.known(tag, 2) == (ACCEPTED, None) and p.auth.known(tag) == (BLOCKED, None)
