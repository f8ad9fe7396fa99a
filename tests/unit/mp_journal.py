"""storage/journal.py and what it stands on: order, bounds, wear, and what a power cut leaves."""

import gc
import os
import random
import time

import flash
from rig import raises, seeded, share
from world import files, tx_file, waiting

from firmware.clock import UNSET_s
from firmware.station import metering, states
from firmware.storage.journal import LIMIT, OVER, SAMPLE, START, STATE, STOP, TOKEN, Journal
from firmware.storage.queue import Queue
from firmware.storage.rows import SMALL, pack, unpack
from firmware.storage.transactions import Folder, Transaction

HEAP = "1600K"
BOTH = True
SWEEPS = (
    "test_power_cuts_while_many_samples_are_joined_and_told",
    "test_a_hundred_transactions_with_their_samples_in_256_KB",
    "test_when_it_is_full_the_least_valuable_goes_first",
    "test_random_order_with_reboots",
    "test_wear_while_charging",
    "test_where_states_are_kept_they_outlive_meter_values",
    "test_on_a_full_flash_starts_and_stops_push_samples_out",
)

T = 217_000_000  # a time, in 2026
UNSET = T - 3600 - UNSET_s  # a clock that is not set, an hour after the last time known
CLOCK, BEGIN, END = 1, 3, 4  # of metering.CONTEXTS

said = []
chip = None


def a_journal(blocks=16):
    global chip
    chip = flash.Flash(blocks)
    flash.mount(chip)
    return again()


def again():
    """A journal on the same flash after a reboot, with `kept`, what load() gave."""
    said.clear()
    j = Journal(Folder("/flash/tx", said.append), "/flash/samples")
    j.kept = j.load()
    return j


def begin(j, connector=1, t=T, tag=None, data=None):
    tx = Transaction(j.next_number(), connector, tag or "TAG%d" % connector, t, 1000)
    if data:
        tx.data = data
        j.keep(tx)
    assert j.start(tx), said
    return tx


def end(j, tx, t=T + 9):
    tx.stop_s, tx.stop_Wh, tx.cause = t, 2000, states.LOCAL
    j.stop(tx)


def a_sample(i, t=T, context=metering.PERIODIC):
    """What a meter shows at the i-th minute: about 11 kW with some noise."""
    return (
        t + 60 * i + i % 2,
        1000 + 184 * i,
        11040 + 97 * i % 200,
        16000 + 31 * i % 90,
        15950 + 17 * i % 70,
        15900 - 13 * i % 50,
        0x1F,
        context,
    )


def every_value(i, t=T, context=metering.PERIODIC):
    """The same with all twelve, as the default keys have it on a board with everything."""
    return a_sample(i, t)[:6] + (
        2301 + 7 * i % 12,
        2298 + 5 * i % 9,
        2304 - 3 * i % 11,
        16000,
        11040 + 11 * i % 60,
        314 + i // 9 % 60,
        4998 + i % 5,
        0xFFF,
        context,
    )


def telling(j):
    """Tell everything: (kind, number, id, sample). StartTransaction gets 1000 + number."""
    while j.head():
        kind, tx, sample = j.head()
        if kind == START:
            j.answered(tx, 1000 + tx.number)
        yield kind, tx.number, tx.id, sample
        j.done()


def numbered(j):
    """[(kind, sample, its number), ...] of everything, which is taken away."""
    out = []
    while j.head():
        out.append((j.head()[0], j.head()[2], j.seq))
        j.done()
    return out


def drain(j):
    return list(telling(j))


def queue():
    """[(kind, number), ...] as the flash has it."""
    return [(kind, tx.number) for kind, tx, _ in waiting(chip)]


def empty():
    return not files() and files("/flash/samples") in ([], ["p"])


# Rows


def test_pack_and_unpack():
    rows = [
        (),
        (0,),
        (1, -1, 63, -64, 64, 2**30, -(2**31), 2**31 - 1, 10**12),
        (None, "", "x", "\u00e9 text", None, 5),
        a_sample(1),
        a_sample(2),
        ("now text", 7, None, "x"),
        (None, None, 3, "x"),
        (1, 2),
    ]
    before = ()
    for row in rows:
        assert unpack(pack(row)) == row, row
        data = pack(row, before)
        assert unpack(data, before) == row, (row, before, unpack(data, before))
        before = row
    assert pack(a_sample(5), a_sample(4)) and len(pack(a_sample(5), a_sample(4))) <= 10
    assert [type(v) for v in unpack(pack((True, False)))] == [int, int]


def test_random_rows():
    seeded("random rows")
    before = ()
    for _ in range(2000):
        row = []
        for _ in range(random.randrange(12)):
            kind = random.randrange(8)
            bits = random.randrange(1, 33)
            row.append(
                None
                if not kind
                else "text %d" % random.randrange(3)
                if kind == 1
                else random.getrandbits(bits) - (1 << bits - 1)
            )
        row = tuple(row)
        assert unpack(pack(row, before), before) == row
        before = row


def test_damaged_rows_are_refused_or_something_else():
    seeded("damaged rows")
    data = pack(a_sample(3))
    for _ in range(3000):
        bad = bytearray(data[: random.randrange(1, len(data) + 1)])
        bad[random.randrange(len(bad))] ^= 1 << random.randrange(8)
        try:
            assert type(unpack(bad)) is tuple
        except (IndexError, ValueError):
            pass


# Order


def test_messages_leave_in_their_order():
    for reboots in (False, True):
        j = a_journal()
        one = begin(j)
        j.sample(one, a_sample(1))
        two = begin(j, 2)
        j.sample(two, a_sample(2))
        j.sample(one, a_sample(3))
        end(j, one)
        end(j, two)
        expected = [
            (START, 1, 1001, None),
            (SAMPLE, 1, 1001, a_sample(1)),
            (START, 2, 1002, None),
            (SAMPLE, 2, 1002, a_sample(2)),
            (SAMPLE, 1, 1001, a_sample(3)),
            (STOP, 1, 1001, None),
            (STOP, 2, 1002, None),
        ]
        if not reboots:
            assert drain(j) == expected
        for i in range(len(expected)) if reboots else ():
            j = again()
            assert [tx.number for tx in j.kept] == []
            kind, tx, sample = j.head()
            if kind == START:
                j.answered(tx, 1000 + tx.number)
            assert (kind, tx.number, tx.id, sample) == expected[i], i
            j.done()
        assert j.head() is None and empty(), files("/flash/samples")


def test_random_order_with_reboots():
    """Against a plain list, with three connectors, over reboots."""
    seeded("random order")
    j = a_journal(32)
    wanted = []
    running = [None] * 3
    i = told = reboots = 0
    for _ in range(3000):
        i += 1
        c = random.randrange(3)
        what = random.randrange(40)
        tx = running[c]
        if not what:
            j = again()
            reboots += 1
            for k in range(3):
                kept = [t for t in j.kept if t.connector == k + 1]
                assert len(kept) == (running[k] is not None)
                running[k] = kept[0] if kept else None
        elif what < 4 and tx is None:
            running[c] = tx = begin(j, c + 1, T + i)
            wanted.append((START, tx.number, None))
        elif what == 4 and tx:
            end(j, tx, T + i)
            wanted.append((STOP, tx.number, None))
            running[c] = None
        elif what < 20 and tx:
            context = metering.PERIODIC if random.randrange(9) else CLOCK
            sample = a_sample(i, T, context)
            j.sample(tx, sample)
            wanted.append((SAMPLE, tx.number, sample))
        elif what < 20 + (i // 300 % 2 * 19):  # online for a while, then offline
            head = j.head()
            assert (head is None) == (not wanted)
            if head:
                kind, tx, sample = head
                assert (kind, tx.number, sample) == wanted.pop(0), told
                if kind == START:
                    j.answered(tx, 1000 + tx.number)
                else:
                    assert tx.id == 1000 + tx.number
                j.done()
                told += 1
    assert [(kind, n, sample) for kind, n, _, sample in drain(j)] == wanted
    assert not said
    print("%d told, %d at the end, %d reboots" % (told, len(wanted), reboots))


def test_numbers_rise_and_go_on_after_a_power_cut():
    j = a_journal()
    assert [begin(j).number for _ in range(3)] == [1, 2, 3]
    assert again().next_number() == 4
    for _ in range(7):
        begin(again())
    j = again()
    assert sorted([tx.number for tx in j.kept]) == list(range(1, 11))
    assert [number for _, number in queue()] == list(range(1, 11))  # 10 after 9, not after 1


def test_every_field_comes_back():
    j = a_journal()
    tx = begin(j, 3, 223456789, "\u00e9 tag")
    tx.origin_s = 223456799
    tx.seen_Wh = 1400
    j.answered(tx, 2000000001)
    tx.denied = True
    tx.kind = 2
    tx.over, tx.by, tx.flow_s, tx.away, tx.told, tx.offline = states.LOCAL, 4, 12345, 1, 7, 1
    tx.target_Wh, tx.until_s, tx.needs = 123456789, 223460000, 13
    tx.group = "of \u00e9"
    j.save(tx)
    (got,) = again().kept
    assert got.__dict__ == tx.__dict__, got.__dict__
    end(j, tx, 2**31)
    tx.stop_token = "\u00e9 tag"
    j.stop(tx)
    assert again().kept == []
    (head,) = waiting(chip)
    assert head[0] == STOP and head[1].__dict__ == tx.__dict__, head[1].__dict__


def test_its_uuid_is_there_from_the_start_and_stays():
    j = a_journal()
    tx = begin(j)
    uuid = tx.uuid
    assert len(uuid) == 36 and uuid[14] == "4" and uuid[19] in "89ab", uuid
    assert [len(part) for part in uuid.split("-")] == [8, 4, 4, 4, 12]
    assert all([c in "0123456789abcdef-" for c in uuid])
    (tx,) = again().kept
    assert tx.uuid == uuid
    end(j, tx)
    assert waiting(chip)[-1][1].uuid == uuid
    assert len({Transaction(1, 1, "TAG", T, 0).uuid for _ in range(50)}) == 50


def test_tokens_of_36_characters():
    j = a_journal()
    tx = begin(j, tag="X" * 36)
    tx.group = "Y" * 36
    end(j, tx)
    tx.stop_token = "Z" * 36
    j.stop(tx)
    got = waiting(chip)[1][1]
    assert (got.token, got.group, got.stop_token) == ("X" * 36, "Y" * 36, "Z" * 36)


def test_a_transaction_is_below_128_bytes():
    j = a_journal()
    tx = begin(j, 9, T, "X" * 20)
    tx.id, tx.origin_s, tx.start_Wh = 2**31 - 1, T + 99, 99000000
    tx.seen_Wh, tx.offset_Wh, tx.denied, tx.kind, tx.fault = 99500000, -99000000, True, 3, 99
    tx.stop_s, tx.stop_Wh, tx.cause, tx.stop_token = T + 10**6, 99999999, states.UNLOCK, "Y" * 20
    j._place = 9999999
    tx.began = 9990000
    tx.group = "Z" * 20
    j.stop(tx)
    size = os.stat("/flash/tx/1")[6]
    print("%d bytes" % size)
    assert size < 128


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
    assert queue() == [(START, n[0]), (STOP, n[1]), (START, n[2]), (STOP, n[2])]
    assert sorted([tx.id or 0 for tx in j.kept]) == [0, 11]
    assert files() == ["1", "2", "3", "4"]


def test_a_start_that_was_given_up_is_not_told_again():
    j = a_journal()
    tx = begin(j)
    j.sample(tx, a_sample(1))
    j.head()
    j.done()
    j = again()
    assert j.kept[0].number == 1 and queue() == [(SAMPLE, 1)] and j.head()[1] is j.kept[0]


def test_a_file_stays_until_the_stop_is_answered():
    j = a_journal()
    tx = begin(j)
    assert j.head()[0] == START
    j.answered(tx, 7)
    j.done()
    j.sample(tx, a_sample(1))
    assert j.head()[2] == a_sample(1)
    j.done()
    assert files() == ["1"]
    end(j, tx)
    assert files() == ["1"] and j.head()[0] == STOP
    j.done()
    assert empty()


def test_the_running_transaction_is_one_object():
    j = a_journal()
    assert begin(j) is j.head()[1]
    for _ in range(2):
        j = again()
        (tx,) = j.kept
        assert j.head()[1] is tx
        j.sample(tx, a_sample(1))
    j.answered(tx, 5)
    j.done()
    assert j.head()[1] is tx and j.head()[0] == SAMPLE


# The numbers of what happened to one transaction


def test_each_transaction_counts_its_own_messages():
    j = a_journal()
    one = begin(j)
    j.sample(one, a_sample(1))
    two = begin(j, 2)
    j.sample(two, a_sample(2, context=CLOCK))
    j.sample(one, a_sample(3, context=CLOCK))
    j.sample(one, a_sample(4))
    end(j, one)
    j = again()
    (two,) = j.kept
    end(j, two)
    wanted = [(1, START, 0), (1, SAMPLE, 1), (2, START, 0), (2, SAMPLE, 1)]
    wanted += [(1, SAMPLE, 2), (1, SAMPLE, 3), (1, STOP, 4), (2, STOP, 2)]
    for i, (number, kind, seq) in enumerate(wanted):
        j = again()
        for _ in range(2):  # (told again: the same number)
            assert (j.head()[1].number, j.head()[0], j.seq) == (number, kind, seq), i
        j.done()
    assert not files()


def test_what_is_wanted_is_told_in_the_order_in_which_it_happened():
    j = a_journal()
    j.wanted = TOKEN, STATE, LIMIT
    tx = begin(j)
    j.note(tx, TOKEN, T + 1)
    j.note(tx, STATE, T + 2, states.CHARGING)
    j.sample(tx, a_sample(1))
    j.note(tx, LIMIT, T + 3, 16000, None)
    j.sample(tx, a_sample(2, context=CLOCK))
    j.note(tx, STATE, T + 4, states.FREE)
    end(j, tx)
    wanted = [
        (START, None, 0),
        (TOKEN, (T + 1,), 1),
        (STATE, (T + 2, states.CHARGING), 2),
        (SAMPLE, a_sample(1), 3),
        (LIMIT, (T + 3, 16000, None), 4),
        (SAMPLE, a_sample(2, context=CLOCK), 5),
        (STATE, (T + 4, states.FREE), 6),
        (STOP, None, 7),
    ]
    for message in wanted:
        for _ in range(2):  # (told again after a reboot: the same number)
            j = again()
            j.wanted = TOKEN, STATE, LIMIT
            assert (j.head()[0], j.head()[2], j.seq) == message
        j.done()
    assert not files()


def test_another_protocol_does_not_hear_of_what_it_does_not_want():
    j = a_journal()
    j.wanted = (STATE,)
    tx = begin(j)
    j.note(tx, STATE, T + 1, 2)
    j.sample(tx, a_sample(1, context=CLOCK))
    end(j, tx)
    told = numbered(again())
    assert told == [(START, None, 0), (SAMPLE, a_sample(1, context=CLOCK), 2), (STOP, None, 3)]
    assert not files()


def test_what_is_noted_before_the_clock_is_set_moves_with_it():
    j = a_journal()
    j.wanted = (STATE,)
    tx = begin(j, t=UNSET)
    j.note(tx, STATE, UNSET + 5, 2)
    j.clock_set(T - UNSET)
    j.note(tx, STATE, T + 9, 3)
    assert [values for _, values, _ in numbered(j)[1:]] == [(T + 5, 2), (T + 9, 3)]


def test_the_numbers_have_no_gap_and_no_repeat_over_power_cuts():
    """A cut at every operation of six samples and three states; then it goes on."""
    j = a_journal(12)
    begin(j)
    image = bytes(chip.data)
    done = 0
    for tear in (0, 3, 5, 8):
        cut = 0
        while True:
            gc.collect()
            chip.restore(image)
            flash.mount(chip)
            j = again()
            j.wanted = (STATE,)
            chip.on()
            chip.tear, chip.dies_at = tear, cut
            heard = []
            n = 0
            try:
                for i in range(3):
                    j.sample(j.kept[0], a_sample(i))
                    n += not chip.dead
                    j.sample(j.kept[0], a_sample(i, context=CLOCK))
                    n += not chip.dead
                    j.note(j.kept[0], STATE, T + i, i)
                    n += not chip.dead
                    if i == 1:  # some are answered, and their files go
                        while not chip.dead and j.head():
                            heard.append((j.seq, j.head()[0], j.head()[2]))
                            j.done()
            except OSError:
                assert chip.dead
            if not chip.dead:
                break
            done += 1
            cut += 1
            for _ in range(2):
                chip.on()
                flash.mount(chip)
                j = again()
                j.wanted = (STATE,)
            (tx,) = j.kept
            j.sample(tx, a_sample(9))
            end(j, tx)
            while j.head():
                message = j.seq, j.head()[0], j.head()[2]
                # (told twice if the answer was lost: with the same number and content)
                if message not in heard:
                    heard.append(message)
                j.done()
            numbers = [seq for seq, _, _ in heard]
            assert numbers == list(range(len(heard))), (tear, cut, heard)
            assert heard[-1][1] == STOP and heard[-2][2] == a_sample(9)
            assert n + 3 <= len(heard) <= n + 4, (tear, cut, n, heard)
    print("%d cuts" % done)
    assert done > 40


# What cannot be believed


def test_empty_and_garbage_files_are_dropped():
    j = a_journal()
    begin(j)
    with open("/flash/tx/1", "rb") as f:
        good = f.read()
    texts = ["", "{", "garbage", "null", "{}", "\x02", "\x06" + "0" * 60]
    texts += [good[:-1], good[:9], good + b"\x03", bytes((5,)) + good[1:], bytes((7,)) + good[1:]]
    n = 18 + good[17]  # the first row lies before that
    values = list(unpack(good[18:n]))
    for at, value in ((0, "1"), (0, None), (1, "x"), (2, 5), (9, "x"), (10, None)):
        row = pack(values[:at] + [value] + values[at + 1 :])
        texts.append(good[:17] + bytes((len(row),)) + row + good[n:])
    texts += [good[:18] + good[n:], good[:n] + pack((T, None, "x", None, None, None))]
    for text in texts:
        tx_file("9", text)
        j = again()
        assert [tx.number for tx in j.kept] == [1], text
        assert len(said) == 1 and said[0].startswith("transaction file 9 dropped"), (text, said)
        assert files() == ["1"], text
    tx_file("8", b"\xff\xfe\x00" * 9)
    assert [tx.number for tx in again().kept] == [1] and files() == ["1"]


def test_damaged_samples_do_not_keep_the_rest_from_being_told():
    j = a_journal()
    tx = begin(j)
    j.answered(tx, 7)
    for i in range(30):
        j.sample(tx, a_sample(i))
    end(j, tx)
    names = sorted([n for n in files("/flash/samples")])
    for name in names:
        with open("/flash/samples/" + name, "rb") as f:
            good = f.read()
        for bad in (good[:-1], b"\x01" + good[1:], b"\xff" * 50, b"\x00" * 9, good + b"\x7f"):
            with open("/flash/samples/" + name, "wb") as f:
                f.write(bad)
            again()
            heads = waiting(chip)
            assert heads[-1][0] == STOP and len(heads) > 15, (name, len(heads))
        with open("/flash/samples/" + name, "wb") as f:
            f.write(good)
    assert len(waiting(chip)) == 31


# Power cuts (of a whole session: mp_power_cuts)


def test_power_cuts_while_many_samples_are_joined_and_told():
    """Behind 130 samples: the small files are joined twice, then all is told."""
    j = a_journal(24)
    tx = begin(j)
    j.answered(tx, 1001)
    for i in range(45):
        j.sample(tx, a_sample(i))
    image = bytes(chip.data)
    done = 0
    for what in ("add", "tell"):
        for tear in (0, 4, 8):
            step = (1 if what == "tell" else 3) * (5 if tear else 1)
            for first in share(3):
                cut = first * step
                while one_cut(image, what, tear, cut):
                    cut += 3 * step
                    done += 1
        if what == "add":
            chip.on()
            flash.mount(chip)
            image = bytes(chip.data)
    print("%d cuts" % done)
    assert done > 67 * len(share(3))


def one_cut(image, what, tear, cut):
    """The power is cut at operation `cut` of it; False: there are not so many."""
    gc.collect()
    chip.restore(image)
    flash.mount(chip)
    j = again()
    chip.on()
    chip.tear, chip.dies_at = tear, cut
    told, i = [], 45 if what == "add" else 130
    try:
        while i < 130 if what == "add" else j.head():
            if what == "add":
                j.sample(j.kept[0], a_sample(i))
                i += not chip.dead
            else:
                told.append(j.head()[2])
                j.done()
            if chip.dead:
                break
    except OSError:
        assert chip.dead
    if not chip.dead:
        return False
    chip.on()
    flash.mount(chip)
    j = again()
    assert not said, said
    after = [sample for _, _, _, sample in drain(j)]
    if after[:1] == told[-1:]:
        after.pop(0)
    got = told + after
    assert got[:i] == [a_sample(k) for k in range(i)], (what, tear, cut, len(got), i)
    assert len(got) - i in (0, 1)
    return True


def test_data_of_what_is_gone():
    """A power cut between a transaction's two files leaves nothing behind."""
    j = a_journal()
    tx = begin(j, data=[a_sample(0)])
    orphan = Transaction(j.next_number(), 1, "TAG", T, 0)
    orphan.data = [a_sample(1)]
    j.keep(orphan)
    assert files() == ["1", "1.data", "2.data"]
    j = again()
    assert files() == ["1", "1.data"] and j.kept[0].data == tx.data and j.next_number() == 2
    end(j, j.kept[0])
    drain(j)
    assert empty()


def test_data_that_never_came_to_be_goes_with_its_transaction():
    """The power fails while that of one that is held back is written."""
    j = a_journal()
    tx = Transaction(j.next_number(), 1, "TAG1", T, 1000)
    assert j.hold(tx)
    tx_file("1.data", b"")
    j = again()
    j.drop(j.kept[0])
    assert files() == []


def test_damaged_data_costs_the_data_alone():
    j = a_journal()
    begin(j, data=[a_sample(0), a_sample(1)])
    with open("/flash/tx/1.data", "rb") as f:
        good = f.read()
    for bad in (b"", b"x", good[:-1], good[1:], good[:5] + b"\x7f" + good[6:]):
        tx_file("1.data", bad)
        j = again()
        assert j.kept[0].data == [] and len(said) == (1 if bad else 0), said
    tx_file("1.data", good)
    assert again().kept[0].data == [a_sample(0), a_sample(1)]


# Wear


def an_hour(online, hours=10, connectors=1, data=False, sample=a_sample):
    j = a_journal(64)
    txs = []
    for c in range(connectors):
        tx = begin(j, c + 1, T, "04A2B3C4D5E680")
        j.answered(tx, 1000 + c)
        j.head()
        j.done()
        txs.append(tx)
    chip.on()
    for i in range(60 * hours):
        for c, tx in enumerate(txs):
            tx.seen_Wh = sample(i)[1]
            j.sample(tx, sample(i, T + 7 * c))
            if data:
                tx.data.append(sample(i, T + 7 * c))
                j.keep(tx)
            while online and j.head():
                j.done()
    how = "online" if online else "offline", connectors, "data" if data else ""
    print(*how, "%d erases, %d programs in %d hours" % (chip.erases, chip.ops, hours))
    return chip.erases / hours


def test_wear_while_charging():
    """A sample a minute: 10 erases an hour or less."""
    assert an_hour(True) <= 10
    assert an_hour(False) <= 10
    assert an_hour(True, data=True) <= 10
    for online in (True, False):
        assert an_hour(online, sample=every_value) <= 10
    an_hour(True, connectors=2)
    an_hour(False, connectors=2)


# Capacity


def test_a_hundred_transactions_with_their_samples_in_256_KB():
    j = a_journal(64)
    for n in range(100):
        tx = begin(j, 1 + n % 2, T + n, "04A2B3C4D5%06d" % n)
        for i in range(60):
            j.sample(tx, a_sample(i, T + 4000 * n))
        tx.stop_token = tx.token
        end(j, tx, T + n + 1)
    assert not said, said
    print("free: %d of 64 blocks" % os.statvfs("/flash")[3])
    j = None
    gc.collect()
    before = gc.mem_alloc()
    began = time.ticks_ms()
    j = again()
    took = time.ticks_diff(time.ticks_ms(), began)
    gc.collect()
    print("journal: %d B of heap, loaded in %d ms" % (gc.mem_alloc() - before, took))
    for n in range(100):
        kind, tx, _ = j.head()
        assert (kind, tx.number, tx.start_s) == (START, n + 1, T + n)
        j.answered(tx, 5000 + n)
        j.done()
        for i in range(60):
            kind, tx, sample = j.head()
            assert (kind, tx.id, sample) == (SAMPLE, 5000 + n, a_sample(i, T + 4000 * n)), (n, i)
            j.done()
        kind, tx, _ = j.head()
        assert (kind, tx.id, tx.stop_s) == (STOP, 5000 + n, T + n + 1)
        j.done()
    assert j.head() is None and empty()


def test_when_it_is_full_the_least_valuable_goes_first():
    """Periodic samples, the oldest first; then others; never starts and stops."""
    j = a_journal(36)
    n = 0
    while n < 60:
        tx = begin(j, 1 + n % 2, T + n, "04A2B3C4D5%06d" % n)
        j.sample(tx, a_sample(0, T + 9000 * n, CLOCK))
        for i in range(1, 100):
            j.sample(tx, a_sample(i, T + 9000 * n))
        j.sample(tx, a_sample(100, T + 9000 * n, END))
        end(j, tx, T + n)
        n += 1
    gone = [text for text in said if text.startswith("flash full: samples from ")]
    assert gone and len(gone) == len(said), said
    print("%d times, first: %s" % (len(gone), gone[0]))
    starts = stops = ends = 0
    periodic = []
    for kind, number, _, sample in telling(again()):
        if kind == SAMPLE:
            if sample[-1] == metering.PERIODIC:
                periodic.append(number * 1000 + (sample[0] - T) % 9000 // 60)
            else:
                ends += 1
        starts += kind == START
        stops += kind == STOP
    assert (starts, stops, ends) == (60, 60, 120), (starts, stops, ends)
    assert periodic == sorted(periodic) and periodic[-1] == 60099
    print("%d of %d periodic samples left" % (len(periodic), 60 * 99))
    # of those that were kept the latest were, without a gap
    first = periodic[0] // 1000
    assert periodic[-99 * (60 - first) :] == [
        k * 1000 + i for k in range(first + 1, 61) for i in range(1, 100)
    ]


def test_where_states_are_kept_they_outlive_meter_values():
    """Whatever was sampled by: the clock too. (E04.FR.07: what is the least missed goes first.)"""
    j = a_journal(28)
    j.wanted = (STATE,)
    n = 0
    while n < 40:
        tx = begin(j, 1 + n % 2, T + n)
        for i in range(100):
            j.sample(tx, a_sample(i, T + 9000 * n, CLOCK if i % 2 else metering.PERIODIC))
            if i % 20 == 0:
                j.note(tx, STATE, T + 9000 * n + i, states.CHARGING, i, None)
        end(j, tx, T + n)
        n += 1
    assert said and not [text for text in said if "flash full" not in text], said
    count = {}
    j = again()
    j.wanted = (STATE,)
    for kind, _, _, _ in telling(j):
        count[kind] = count.get(kind, 0) + 1
    assert count[START] == count[STOP] == 40 and count[STATE] == 200, count
    assert 0 < count[SAMPLE] < 4000, count


def test_what_a_row_says_outlives_the_file_behind_it():
    """The power fails between a row and the file of its transaction."""
    j = a_journal()
    j.wanted = (TOKEN, OVER)
    tx = begin(j, tag="")
    tx.kind, tx.by = states.NO_TOKEN, 2
    j.save(tx)
    old = bytes(open("/flash/tx/1", "rb").read())
    text = "T" * 36
    for kind, values in ((TOKEN, (1, text, 5, 77)), (OVER, (5, None, 0, states.REMOTE))):
        j.note(tx, kind, T + 5, *values)
        with open("/flash/tx/1", "wb") as f:
            f.write(old)
        (got,) = again().kept
        if kind == TOKEN:
            assert (got.token, got.kind, got.request, got.seq) == (text, 5, 77, 2)
        else:
            assert got.over == states.REMOTE and got.seq == 3
        tx.token, tx.kind, tx.request = text, 5, 77
        j.save(tx)
        old = bytes(open("/flash/tx/1", "rb").read())
    j = again()
    j.wanted = (TOKEN, OVER)
    heads = []
    while j.head():
        heads.append((j.head()[0], j.head()[2], j.seq))
        j.done()
    assert heads[1:] == [
        (TOKEN, (T + 5, 1, text, 5, 77), 1),
        (OVER, (T + 5, 5, None, 0, states.REMOTE), 2),
    ]


def test_files_of_earlier_firmware():
    """That ended with what was then the last field, or before it."""
    j = a_journal()
    tx = begin(j)
    tx.told, tx.offline, tx.flow_s, tx.by = 3, 1, 99, 2
    for names in ("", "reservation request", "reservation request stop_kind offline told"):
        data = tx.pack()
        first = unpack(data[18 : 18 + data[17]])
        row = pack(first[:13] + tuple([getattr(tx, name) for name in names.split()]))
        tx_file("1", data[:17] + bytes((len(row),)) + row + data[18 + data[17] :])
        (got,) = again().kept
        assert (got.told, got.offline) == ((3, 1) if "told" in names else (0, 0))
        assert (got.flow_s, got.by, got.over, got.token) == (0, 0, None, "TAG1") and not said


def crowded():
    """A journal with a thousand samples of a transaction, and no room beside it; and that."""
    j = a_journal(24)
    tx = begin(j)
    for i in range(1000):
        j.sample(tx, a_sample(i))
    flash.crowd("/flash/tx")
    return j, tx


def test_on_a_full_flash_starts_and_stops_push_samples_out():
    j, tx = crowded()
    before = len(waiting(chip))
    for _ in range(10):
        end(j, begin(j, 2))
    end(j, tx)
    heads = waiting(chip)
    kinds = [kind for kind, _, _ in heads]
    assert kinds.count(START) == kinds.count(STOP) == 11
    print("%d samples before, %d after" % (before - 1, kinds.count(SAMPLE)))
    assert any("given up" in text for text in said), said


def test_a_start_pushes_samples_out_where_the_folder_has_no_room_for_its_name():
    """LittleFS calls that 36, not 28."""
    j, tx = crowded()
    flash.crowd("/flash/tx", 1)
    codes = []
    while codes[-1:] != [36] and len(codes) < 60:  # (28: it is there, but for its end)
        try:
            open("/flash/tx/%c" % (65 + len(codes)), "wb").close()
            codes.append(0)
        except OSError as e:
            codes.append(e.errno)
    assert codes[-1] == 36, codes
    for _ in range(10):
        end(j, begin(j, 2))
    assert any("given up" in text for text in said), said
    end(j, tx)
    kinds = [kind for kind, _, _ in waiting(chip)]
    assert kinds.count(START) == kinds.count(STOP) == 11


def test_a_full_flash_refuses_a_start_and_keeps_what_it_has():
    j = a_journal(8)
    running = begin(j)
    j.answered(running, 5)
    assert j.head()[0] == START
    j.done()
    flash.crowd("/flash/tx")
    refused = 0
    for _ in range(40):
        tx = Transaction(j.next_number(), 2, "x" * 20, 1, 1)
        if not j.start(tx):
            refused += 1
    assert refused and any("not written" in text for text in said), said
    while j.head():
        j.done()
    end(j, running)  # whether or not it could be written: it will be told
    assert j.head()[0] == STOP and j.head()[1] is running or queue() == [(STOP, running.number)]
    os.remove("/flash/filler")
    assert files("/flash/tx").count("%d" % running.number) == 1
    j.done()
    assert j.head() is None and running.number not in [tx.number for tx in again().kept]


def test_a_chip_that_fails_costs_one_sample_and_nothing_else():
    j = a_journal(16)
    tx = begin(j)
    for i in range(100):
        chip.on()
        chip.fails_at = 1 if i % 10 == 5 else None
        j.sample(tx, a_sample(i))
    chip.on()
    got = [sample for kind, _, sample in waiting(chip) if kind == SAMPLE]
    print("%d of 100 samples, %d of 10 failures were said" % (len(got), len(said)))
    assert len(got) >= 90 and "given up" not in "".join(said)
    assert got == sorted(got, key=lambda s: s[0])


# Time


def test_the_clock_is_set_for_the_first_time():
    j = a_journal()
    one = begin(j, 1, UNSET + 5)
    j.sample(one, a_sample(0, UNSET + 6))
    j.sample(one, a_sample(0, T))
    end(j, one, UNSET + 7)
    two = begin(j, 2, T)
    end(j, two, UNSET + 8)
    jump = T + 100 - UNSET
    j.clock_set(jump)
    three = begin(j, 3, T + 200)
    for _ in range(2):
        heads = waiting(chip)
        got = [
            sample[0] if kind == SAMPLE else tx.stop_s if kind == STOP else tx.start_s
            for kind, tx, sample in heads
        ]
        assert got == [T + 105, T + 106, T, T + 107, T, T + 108, T + 200], got
        assert heads[1][2][1:] == a_sample(0)[1:]
        # Another boot without a clock: what was corrected stays, what is new is corrected.
        j = again()
    j.sample(j.kept[0], a_sample(0, UNSET + 3))
    j.clock_set(jump + 1000)
    got = [sample[0] for kind, _, sample in waiting(chip) if kind == SAMPLE]
    assert got == [T + 106, T, T + 1103], got
    assert three.number == j.kept[0].number
    # Once it is told nothing is left of that.
    drain(j)
    j.sample(j.kept[0], a_sample(0, UNSET + 3))
    j = again()
    j.clock_set(jump)
    # (noted in the start before, in which the clock was not set: at the last time known)
    assert len(j._jumps) == 3 and j.head()[2][0] == T - 3600 + 3


def test_a_correction_does_not_take_the_message_from_under_the_sender():
    j = a_journal()
    tx = begin(j, 1, UNSET + 5)
    j.sample(tx, a_sample(0))
    assert j.head()[0] == START
    j.clock_set(T - UNSET)
    j.answered(tx, 5)
    j.done()
    assert j.head()[0] == SAMPLE


def test_a_folder_that_is_there_already():
    a_journal()
    Folder("/flash/tx", said.append)
    raises(OSError, Journal(Folder("/flash/none/such", said.append), "/flash/samples").load)
    raises(OSError, Queue("/flash/none/such", "p", 3, said.append).add, (1, 2, 3))
    j = Journal(Folder("/flash/tx", said.append), "/flash/none/such")
    assert j.load() == [] and j.head() is None and said[-1].startswith("/flash/none/such")
    j.sample(begin(j), a_sample(1))
    assert "sample lost" in said[-1] and j.head()[0] == START


def test_a_small_file_of_a_queue_stays_inline():
    """The file system keeps 128 bytes in the directory; one more costs a block."""
    a_journal()
    os.mkdir("/flash/q")
    q = Queue("/flash/q", "p", 3, said.append)
    sizes = set()
    for n in range(1, 60):
        q.add((n, "x" * (n * 7 % 13)))
        sizes.add(q.size)
        assert q.size == os.stat(q.prefix + str(q.files[-1]))[6], n
    assert SMALL - 3 < max(sizes) <= SMALL, max(sizes)
    while q.drop(False):
        pass
    q.add((60, "y"))
    assert q.peek() == (60, "y")


def test_what_is_not_wanted_is_not_written_and_has_no_number():
    """OCPP 1.6 tells starts, samples, stops: nothing more goes to the flash for it."""
    j = a_journal()
    tx = begin(j)
    chip.on()
    before = chip.erases
    for kind in (TOKEN, STATE, LIMIT):
        j.note(tx, kind, T, 2)
    assert chip.ops == 0 and chip.erases == before
    end(j, tx)
    assert numbered(j) == [(START, None, 0), (STOP, None, 1)]
