"""The seldom part of journal.py, forgotten after each use: what it finds on flash when the power
comes, and the first setting of the clock."""

import os

from firmware import lazy
from firmware.clock import PLAUSIBLE, UNSET_s

from .rows import pack, unpack


def journal(folder, queues):
    """Fill `queues`; -> of the transactions in `folder` the last number, the last place, the marks
    (journal.py), how the clock was set, the latest time, the transactions that go on, and those of
    them that are to be written: their times were put right, or a row came after."""
    queue_files = lazy.load("storage.queue_files")
    last = -UNSET_s
    going, moved, marks = [], [], []

    def past(t):
        nonlocal last
        last = max(last, t if t < PLAUSIBLE else t - UNSET_s)

    latest = {}  # by number of a transaction: its next `seq`, and the most that its meter showed

    def each(row):
        past(row[3])
        seq, Wh = latest.get(row[1], (0, 0))
        if row[-1] & 1:
            Wh = max(Wh, row[4])
        latest[row[1]] = max(seq, row[2] + 1), Wh

    for queue in queues:
        queue_files.load(queue, each)
    place = max([queue.last for queue in queues])
    number = 0
    for n in numbers(folder):
        tx = folder.read(n)
        if tx is None:
            continue
        number = n
        if tx.id is None and tx.began is not None:
            marks.append((tx.began, 2 * number))
        past(tx.origin_s)
        if tx.stop_s is not None:
            past(tx.stop_s)
            marks.append((tx.ended, 2 * number + 1))
        else:
            if tx.data:  # (a clock that was ahead may have been set back since: not that late)
                past(tx.data[-1][0] + min(0, tx.origin_s - tx.start_s))
            going.append(tx)
            seq, Wh = latest.get(n, (0, 0))
            behind = seq > tx.seq  # the power failed between a row and the transaction's file
            if behind:
                tx.seq, tx.seen_Wh = seq, max(tx.seen_Wh, Wh)
            if _settle(tx) or behind:
                moved.append(tx)
    marks.sort()
    if marks:
        place = max(place, marks[-1][0])
    there = [str(n) for n in numbers(folder)]
    for name in os.listdir(folder.path):  # data of what was never begun, or was answered
        if name.endswith(".data") and name[:-5] not in there:
            os.remove(folder.path + "/" + name)
    try:
        with open(folder.path + "/clock", "rb") as f:
            jumps = list(unpack(f.read()))
        place = max(place, jumps[-2])
    except (OSError, IndexError, TypeError, ValueError):
        jumps = []  # the clock never had to be corrected
    marks = [value for mark in marks for value in mark]
    return number, place, marks, jumps, last, going, moved


def _settle(tx):
    # What goes on must not mix times of several starts: those before this one are settled. Where
    # the clock was set since it began, its origin was moved by as much. True: something changed.
    jump = tx.origin_s - tx.start_s if tx.start_s < PLAUSIBLE <= tx.origin_s else 0
    data = [(_corrected(s[0], jump),) + s[1:] for s in tx.data]
    times = _corrected(tx.start_s, jump), _corrected(tx.origin_s)
    if data == tx.data and times == (tx.start_s, tx.origin_s):
        return False
    tx.data = data
    tx.start_s, tx.origin_s = times
    return True


def _corrected(t, jump=0):
    # A time from before the clock was set, in an earlier start: as far as it was known then, or
    # `jump` later if it was set in that.
    if jump and t < PLAUSIBLE:
        return t + jump
    return t + UNSET_s if t < PLAUSIBLE <= t + UNSET_s else t


def keep(what):
    """Write (folder, jumps)."""
    folder, jumps = what
    with open(folder.path + "/clock", "wb") as f:
        f.write(pack(jumps))


def numbers(folder):
    """Of all that the Central System may not know to their end, rising."""
    return sorted([int(name) for name in os.listdir(folder.path) if name.isdigit()])
