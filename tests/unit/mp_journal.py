"""session/journal.py and session/transaction.py: order, bounds, and what a power cut leaves."""

import json
import os

import flash
from rig import raises
from world import files, tx_file

from firmware.session.journal import SAMPLE, START, STOP, Journal
from firmware.session.transaction import Folder, Transaction

HEAP = "900K"

said = []


def a_journal(blocks=16):
    flash.mount(flash.Flash(blocks))
    return again()


def again():
    """A journal on the same flash after a power cut; -> it and what load() gave."""
    said.clear()
    j = Journal(Folder("/flash/tx", said.append))
    j.kept = j.load()
    return j


def begin(j, connector=1, t=100):
    tx = Transaction(j.next_number(), connector, "TAG%d" % connector, t, 1000)
    assert j.start(tx)
    return tx


def end(j, tx, t=200):
    tx.stop_s, tx.stop_Wh, tx.reason = t, 2000, "Local"
    j.stop(tx)


def queue(j):
    return [(kind, tx.number) for kind, tx, _ in j._queue]


def test_messages_leave_in_their_order():
    j = a_journal()
    one = begin(j)
    j.sample(one, ("a",))
    two = begin(j, 2)
    j.sample(two, ("b",))
    j.sample(one, ("c",))
    end(j, one)
    end(j, two)
    expected = [
        (START, 1),
        (SAMPLE, 1),
        (START, 2),
        (SAMPLE, 2),
        (SAMPLE, 1),
        (STOP, 1),
        (STOP, 2),
    ]
    assert queue(j) == expected and len(j) == 7
    for kind, number in expected:
        head = j.head()
        assert (head[0], head[1].number) == (kind, number)
        j.done()
    assert j.head() is None and len(j) == 0 and files() == []


def test_numbers_rise_and_go_on_after_a_power_cut():
    j = a_journal()
    assert [begin(j).number for _ in range(3)] == [1, 2, 3]
    assert again().next_number() == 4
    for _ in range(7):
        begin(again())
    j = again()
    assert [tx.number for tx in j.kept] == list(range(1, 11))  # 10 after 9, not after 1
    assert [number for _, number in queue(j)] == list(range(1, 11))


def test_sixty_samples_and_the_oldest_give_way():
    j = a_journal()
    tx = begin(j)
    for i in range(100):
        j.sample(tx, (i,))
        assert len(j) <= 61
    assert [s[0] for kind, _, s in j._queue if kind == SAMPLE] == list(range(40, 100))
    assert j.head()[0] == START
    end(j, tx)
    assert j._queue[-1][0] == STOP


def test_a_sample_that_is_on_its_way_is_not_taken_from_under_the_sender():
    j = a_journal()
    tx = begin(j)
    j.answered(tx, 5)
    j.done()
    for i in range(60):
        j.sample(tx, (i,))
    on_its_way = j.head()
    for i in range(60, 130):
        j.sample(tx, (i,))
        assert j.head() is on_its_way
    j.done()
    assert j.head()[2] == (71,) and len(j) == 59
    for _ in range(59):
        j.done()
    for i in range(70):  # the count is right again
        j.sample(tx, (i,))
    assert len(j) == 60 and j.head()[2] == (0,)


def test_starts_and_stops_never_give_way():
    j = a_journal(120)  # (a file of more than 128 bytes takes a block)
    for i in range(100):
        tx = begin(j, 1 + i % 4, i)
        j.sample(tx, (i,))
        end(j, tx, i + 1)
    kinds = [kind for kind, _ in queue(j)]
    assert kinds.count(START) == kinds.count(STOP) == 100 and kinds.count(SAMPLE) == 60
    assert len(files()) == 100
    j = again()
    assert queue(j) == [(k, n) for n in range(1, 101) for k in (START, STOP)] and not said
    while j.head():
        j.done()
    assert files() == []


def test_every_field_comes_back():
    j = a_journal()
    tx = begin(j, 3, 123456789)
    tx.origin_s = 123456799
    j.answered(tx, 2000000001)
    end(j, tx, 2**31)
    tx.stop_tag = "\u00e9 tag"
    j.stop(tx)
    (got,) = again().kept
    assert got.__dict__ == tx.__dict__, got.__dict__


def test_what_is_queued_again_after_a_power_cut():
    j = a_journal()
    running = begin(j)
    j.answered(running, 11)
    unknown = begin(j, 2)
    stopped = begin(j, 3)
    j.answered(stopped, 13)
    end(j, stopped)
    both = begin(j, 4)
    end(j, both)
    j = again()
    n = unknown.number, stopped.number, both.number
    assert queue(j) == [(START, n[0]), (STOP, n[1]), (START, n[2]), (STOP, n[2])]
    assert [tx.id for tx in j.kept] == [11, None, 13, None]
    assert [tx.stop_s for tx in j.kept] == [None, None, 200, 200]
    assert files() == ["1", "2", "3", "4"]


def test_an_answer_survives():
    j = a_journal()
    tx = begin(j)
    j.answered(tx, 77)
    j = again()
    assert j.kept[0].id == 77 and queue(j) == []


def test_a_file_stays_until_the_stop_is_answered():
    j = a_journal()
    tx = begin(j)
    j.done()
    j.sample(tx, (1,))
    j.done()
    assert files() == ["1"]
    end(j, tx)
    assert files() == ["1"]
    j.done()
    assert files() == []


def test_empty_and_garbage_files_are_dropped():
    j = a_journal()
    begin(j)
    with open("/flash/tx/1") as f:
        good = f.read()
    bad = dict(json.loads(good))
    texts = ["", "{", "garbage", "null", "3", "[]", '"x"', "{}", good[:-1], good[: len(good) // 2]]
    for key, value in (
        ("connector", "1"),
        ("connector", None),
        ("id_tag", 5),
        ("start_s", "x"),
        ("start_Wh", 1.5),
        ("origin_s", True),
        ("number", "9"),
        ("number", 1),  # not the name of the file
    ):
        wrong = dict(bad)
        wrong["number"] = 9
        wrong[key] = value
        texts.append(json.dumps(wrong))
    del bad["reason"]
    texts.append(json.dumps(bad))
    texts.append("[" + ",".join("0" * 11) + "]")
    for text in texts:
        tx_file("9", text)
        j = again()
        assert [tx.number for tx in j.kept] == [1], text
        assert len(said) == 1 and said[0].startswith("transaction file 9 dropped"), (text, said)
        assert files() == ["1"], text
    with open("/flash/tx/8", "wb") as f:
        f.write(b"\xff\xfe\x00" * 9)
    assert [tx.number for tx in again().kept] == [1] and files() == ["1"]


def test_power_cuts_at_every_operation_of_a_transaction():
    chip = flash.Flash(8)
    flash.mount(chip)
    os.mkdir("/flash/tx")
    blank = bytes(chip.data)
    reached = 0
    for cut in range(200):
        chip.restore(blank)
        flash.mount(chip)
        chip.on()
        chip.tear = cut % 9
        chip.dies_at = cut
        promised = 0
        try:
            j = Journal(Folder("/flash/tx", said.append))
            tx = begin(j)
            promised = 1
            j.answered(tx, 42)
            promised = 2 if not chip.dead else promised
            end(j, tx)
            promised = 3 if not chip.dead else promised
            j.done()
            promised = 4
        except (OSError, AssertionError):
            assert chip.dead
        if not chip.dead:
            break
        reached = max(reached, promised)
        chip.on()
        flash.mount(chip)
        j = again()
        kept = j.kept
        if promised == 0:
            assert len(kept) <= 1, cut
        elif promised < 3:
            assert len(kept) == 1 and kept[0].start_Wh == 1000, cut
            assert promised < 2 or kept[0].id == 42, cut
        elif promised == 3:
            assert len(kept) <= 1, cut
            assert not kept or kept[0].stop_Wh == 2000 and kept[0].id == 42, cut
        assert all(text.endswith("dropped: ValueError('syntax error in JSON',)") for text in said)
    else:
        raise AssertionError("the transaction never got through")
    assert reached >= 2 and cut > 5
    print("%d cuts" % cut)


def test_a_full_flash_refuses_a_start_and_keeps_what_it_has():
    j = a_journal(8)
    running = begin(j)
    j.answered(running, 5)
    j.done()
    flash.fill()
    refused = 0
    for _ in range(40):
        tx = Transaction(j.next_number(), 2, "x" * 20, 1, 1)
        if not j.start(tx):
            refused += 1
    assert refused and any("not written" in text for text in said), said
    while j.head():
        j.done()
    end(j, running)  # whether or not it could be written: it will be told
    assert queue(j) == [(STOP, running.number)]
    os.remove("/flash/filler")
    j = again()
    assert running.number in [tx.number for tx in j.kept]


def test_the_clock_is_set_for_the_first_time():
    def plausible(t):
        return t >= 1000

    j = a_journal()
    one = begin(j, 1, 5)
    j.sample(one, (6, "wh"))
    j.sample(one, (2000, "wh"))
    end(j, one, 7)
    two = begin(j, 2, 3000)
    end(j, two, 8)
    j.clock_set(10000, plausible)
    assert (one.start_s, one.stop_s, two.start_s, two.stop_s) == (10005, 10007, 3000, 10008)
    assert [s for kind, _, s in j._queue if kind == SAMPLE] == [(10006, "wh"), (2000, "wh")]
    kept = again().kept  # also on flash
    assert [(tx.start_s, tx.stop_s) for tx in kept] == [(10005, 10007), (3000, 10008)]


def test_a_folder_that_is_there_already():
    a_journal()
    Folder("/flash/tx", said.append)
    raises(OSError, Folder("/flash/none/such", said.append).load)
