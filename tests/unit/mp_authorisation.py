"""storage.tags: the local list and the cache, on flash, under power cuts."""

import gc
import os

import flash
import rig
from world import T0, UNSET, Time

from firmware import clock
from firmware.storage.tags import ACCEPTED, EXPIRED, IN_USE, MAX_LIST, Tags

HEAP = "640K"

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
            "unasked": False,
            "cache_s": 0,
            "cache_final": False,
            "list_final": False,
            "offline_unknown": False,
        }
        self.boot()

    def boot(self):
        flash.mount(self.flash)
        c = clock.Clock(self.time)
        self.auth = Tags("/flash/auth", self.settings.__getitem__, c, self.said.append)
        return self.auth

    def list(self, version, *entries, anew=True):
        """Put (tag, status, expiry_s, group[, kind]) into the list; why not, or None."""
        entries = [one if len(one) == 5 else one + (0,) for one in entries]
        try:
            for _ in self.auth.update(version, entries, anew):
                pass
        except ValueError as e:
            return str(e)


def tags(n, first=0, status=ACCEPTED):
    return [("TAG%d" % i, status, None, None) for i in range(first, first + n)]


def test_what_was_heard_is_known_without_case_and_after_a_reboot():
    p = Place()
    a = p.auth
    assert a.known("TAG") is None
    group = a.group("GROUP")
    assert group == a.group("group") != a.group("GROUP2") and a.group(None) is a.group("") is None
    a.heard("Tag", ACCEPTED, T0 + 100, group)
    a.heard("other", BLOCKED)
    for _ in range(2):
        assert a.known("TAG") == a.known("tag") == (ACCEPTED, group)
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
    group = p.auth.group("P")
    p.auth.heard("A", ACCEPTED)
    assert p.auth.version() == 0
    assert not p.list(7, ("a", BLOCKED, None, None), ("B", ACCEPTED, T0 + 10, group))
    assert p.auth.version() == 7
    assert p.auth.known("A") == (BLOCKED, None) and p.auth.known("b") == (ACCEPTED, group)
    p.auth.heard("B", INVALID)  # is not cached
    p.settings["list"] = False
    assert p.auth.known("A") == (ACCEPTED, None) and p.auth.known("B") is None
    p.settings["cache"] = False
    assert p.auth.known("A") is None
    p.auth.heard("C", ACCEPTED)
    p.settings["cache"] = True
    assert p.auth.known("C") is None
    p.settings["list"] = True
    assert not p.list(0) and p.auth.known("B") is None and p.auth.version() == 0


def test_what_contradicts_the_list_is_said():
    p = Place()
    p.list(1, ("GOOD", ACCEPTED, None, None), ("BAD", BLOCKED, None, None))
    for status in (BLOCKED, EXPIRED, INVALID):
        assert p.auth.heard("good", status) and not p.auth.heard("BAD", status)
        assert not p.auth.heard("OTHER", status)
    for status in (ACCEPTED, IN_USE):
        assert not p.auth.heard("GOOD", status) and not p.auth.heard("BAD", status)
    p.settings["list"] = False
    assert not p.auth.heard("GOOD", BLOCKED)


def test_a_differential_update():
    p = Place(32)
    assert not p.list(5, *tags(20), anew=False)  # (the first one may be)
    changes = tags(1, 3, None) + [("tag7", BLOCKED, T0 + 5, None), ("NEW", ACCEPTED, None, None)]
    assert not p.list(6, *changes, ("UNKNOWN", None, None, None), anew=False)
    assert p.auth.version() == 6
    for i in range(20):
        want = {3: None, 7: (BLOCKED, None)}.get(i, (ACCEPTED, None))
        assert p.auth.known("TAG%d" % i) == want
    assert p.auth.known("NEW") and not p.auth.known("UNKNOWN")
    assert not p.list(7, anew=False) and p.auth.version() == 7 and p.auth.known("NEW")
    gone = [(tag, None, None, None) for tag in ["TAG%d" % i for i in range(20)] + ["NEW"]]
    assert not p.list(8, *gone, anew=False) and p.auth.version() == 0  # it is empty


def test_a_tag_stands_there_once():
    p = Place()
    p.list(1, *tags(3))
    for anew in (True, False):
        why = p.list(2, ("X", ACCEPTED, None, None), ("x", BLOCKED, None, None), anew=anew)
        assert "twice" in why and p.auth.version() == 1 and p.auth.known("TAG2")


def test_random_lists():
    random = rig.seeded("lists")
    p = Place(32)
    want = {}
    for version in range(1, 31):
        anew = random.random() < 0.2
        changes = {}
        for _ in range(random.choice((0, 1, 5, 50))):
            status = random.choice((None, ACCEPTED, BLOCKED)) if not anew else ACCEPTED
            changes["T%d" % random.randrange(90)] = status
        if anew:
            want = {}
        for tag, status in changes.items():
            want.pop(tag, None)
            if status is not None:
                want[tag] = status
        entries = [(tag, status, None, None) for tag, status in changes.items()]
        assert not p.list(version, *entries, anew=anew)
        assert p.auth.version() == (version if want else 0)
        for i in range(90):
            known = p.auth.known("t%d" % i)
            assert (known and known[0]) == want.get("T%d" % i), (version, i)


def test_clear_leaves_the_list():
    p = Place()
    p.auth.clear()
    p.auth.heard("A", ACCEPTED)
    p.list(1, ("B", ACCEPTED, None, None))
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


def test_a_thousand_tags():
    """In 22 KB; a look-up reads 200 bytes of it, and allocates less than 1 KB."""
    p = Place(64)
    group = p.auth.group("G" * 20)
    for n in range(0, MAX_LIST, 50):
        new = [("%020d" % i, ACCEPTED, T0 + i, group) for i in range(n, n + 50)]
        assert not p.list(1 + n // 50, *new, anew=n == 0)
    assert os.stat("/flash/auth/list")[6] == 22 * (MAX_LIST + 1) < 32768
    assert "more than" in p.list(99, ("ONE", ACCEPTED, None, None), anew=False)
    assert p.auth.version() == 20
    for i in range(0, MAX_LIST, 37):
        entry = p.auth.known("%020d" % i)
        assert entry == (ACCEPTED if T0 + i > p.time.t_ms // 1000 else EXPIRED, group)
    assert p.auth.known("ONE") is None
    folder = rig.scratch("list")  # (the flash in RAM allocates itself)
    auth = Tags(folder, p.settings.__getitem__, clock.Clock(p.time), print)
    with open("/flash/auth/list", "rb") as f, open(folder + "/list", "wb") as copy:
        while data := f.read(440):
            copy.write(data)
    most = 0
    for i in range(0, MAX_LIST, 37):
        gc.collect()
        gc.disable()
        before = gc.mem_alloc()
        assert auth.known("%020d" % i)
        most = max(most, gc.mem_alloc() - before)
        gc.enable()
    os.remove(folder + "/list")
    os.rmdir(folder)
    print("%d bytes allocated at most" % most)
    assert most < 1024


def test_what_cannot_be_kept_is_not():
    p = Place()
    p.auth.heard("TAG", ACCEPTED)
    p.auth.heard("TAG", IN_USE)
    assert p.auth.known("TAG") == (ACCEPTED, None)
    for tag in (
        "",
        "a\tb",
        "a\nb",
        "caf\u00e9",
        "\x00",
        "x" * 200,
    ):  # (a digest is kept)
        p.auth.heard(tag, BLOCKED)
        assert p.auth.known(tag) == (BLOCKED, None), tag
    p.auth.heard("LATE", ACCEPTED, 1 << 40)
    p.auth.heard("OLD", ACCEPTED, -5)
    assert p.auth.known("LATE")[0] == ACCEPTED and p.auth.known("OLD")[0] == EXPIRED


def test_damaged_files_are_no_entries():
    p = Place()
    p.auth.heard("TAG", ACCEPTED)
    with open("/flash/auth/cache", "rb") as f:
        row = f.read()
    assert len(row) == 22
    damaged = [row[:i] + bytes((row[i] ^ 4,)) + row[i + 1 :] for i in range(22)]
    for text in [
        b"",
        b"TAG\t0\t0\t\t\n",
        b"\0" * 50,
        b"\xff" * 50,
        row[:-1],
        b"\0" + row,
    ] + damaged:
        for name in ("cache", "list"):
            with open("/flash/auth/" + name, "wb") as f:
                f.write(text)
        assert p.boot().known("TAG") is None and p.auth.version() == 0, text
        p.auth.heard("TAG", ACCEPTED)
        assert p.auth.known("TAG") == (ACCEPTED, None)


def test_the_same_again_costs_no_write():
    p = Place()
    for i in range(10):
        p.auth.heard("TAG%d" % i, ACCEPTED, T0 + 100, p.auth.group("P"))
    p.flash.on()
    for i in range(10):
        p.auth.heard("TAG%d" % i, ACCEPTED, T0 + 100, p.auth.group("P"))
        p.auth.known("TAG%d" % i)
    assert p.flash.ops == 0
    for i in range(100):
        p.auth.heard("TAG%d" % (i % 10), ACCEPTED, T0 + i)
    print("%d erases, %d operations in 100 changes" % (p.flash.erases, p.flash.ops))
    assert p.flash.erases <= 210


def test_power_cut_at_every_operation():
    p = Place(12)
    for i in range(5):
        p.auth.heard("TAG%d" % i, ACCEPTED)
    p.list(1, ("L", ACCEPTED, None, None))
    image = bytes(p.flash.data)

    def change():
        p.auth.heard("TAG2", BLOCKED)
        p.list(2, ("L", BLOCKED, None, None), anew=False)
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
            found = [a.known("TAG%d" % i) for i in range(5)]
            good = (ACCEPTED, None)
            assert found in (
                [good] * 5, [good, good, (BLOCKED, None), good, good], [None] * 5
            ), found  # fmt: skip
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
    group = p.auth.group("P")
    good, new = (ACCEPTED, None), (BLOCKED, group)
    entries = [("L%d" % i, ACCEPTED, None, None) for i in range(200)]
    p.flash.on()
    p.auth.heard("TAG1", BLOCKED, T0 + 9, group)
    p.list(3, *entries)
    for n in range(p.flash.ops):
        gc.collect()
        p.flash.restore(image)
        p.boot()
        p.said.clear()
        p.flash.fails_at = n
        p.auth.heard("TAG1", BLOCKED, T0 + 9, group)
        kept = not p.list(3, *entries)
        p.flash.on()
        for a in (p.auth, p.boot()):
            assert a.known("TAG0") == a.known("TAG19") == good
            assert a.known("TAG1") in (good, new) and (a.known("TAG1") == new or p.said)
            listed = a.version(), bool(a.known("L199"))
            assert listed == (3, True) or listed == (0, False) and not kept


def test_nothing_of_it_stays_in_ram():
    p = Place(32)
    gc.collect()
    before = gc.mem_alloc()
    p.list(1, *tags(100))
    for i in range(50):
        p.auth.heard("X%d" % i, ACCEPTED)
        p.auth.known("TAG%d" % i)
    gc.collect()
    assert gc.mem_alloc() - before < 1500


def test_tags_of_36_characters_and_their_kinds():
    p = Place()
    tag, group = "0123456789abcdefghij" + "K" * 16, p.auth.group("g" * 36)
    p.auth.heard(tag, ACCEPTED, None, group, 1)
    p.auth.heard(tag, BLOCKED)
    for _ in range(2):
        assert p.auth.known(tag.upper(), 1) == (ACCEPTED, group) and p.auth.offline(tag, 1)
        assert p.auth.known(tag) == (BLOCKED, None) and not p.auth.offline(tag)
        assert p.auth.known(tag, 2) is None and p.auth.known(tag[:-1], 1) is None
        p.boot()
    p.auth.heard(tag, INVALID, None, None, 1)
    assert p.auth.known(tag, 1) == (INVALID, None) and p.auth.known(tag) == (BLOCKED, None)
    assert not p.list(1, (tag, ACCEPTED, None, None, 2))
    assert p.auth.known(tag, 2) == (ACCEPTED, None) and p.auth.known(tag) == (BLOCKED, None)
