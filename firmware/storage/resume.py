"""The seldom part of journal.py and queue.py, forgotten after each use: what they find on flash
when the power comes, small files that become a big one, the first setting of the clock, what there
is of one transaction."""

import os
from micropython import const

from firmware.clock import PLAUSIBLE, UNSET_s

from .rows import SMALL, pack, read, unpack

_ENOSPC = const(28)  # (MicroPython's errno has no name for it)
_BLOCK = const(4096)
_AT_ONCE = const(16)  # rows
_NOTHING = (0, 0, None)
_TOKEN = const(3)  # of journal.py
_OVER = const(6)


def journal(folder, queues):
    """Fill `queues`; -> of the transactions in `folder` the last number, the last place, the marks
    (journal.py), how the clock was set, the latest time, the transactions that go on, and those of
    them that are to be written: their times were put right, or a row came after."""
    last = -UNSET_s
    number = 0
    going, moved, marks = [], [], []
    latest = {}  # by number of a transaction: its next `seq`, the most that its meter showed, and
    # its latest row

    def past(t):
        nonlocal last
        last = max(last, t if t < PLAUSIBLE else t - UNSET_s)

    def each(row):
        past(row[3])
        seq, Wh, other = latest.get(row[1], _NOTHING)
        other = row if row[2] >= seq else other
        latest[row[1]] = max(seq, row[2] + 1), max(Wh, row[4] if row[-1] & 1 else 0), other

    for queue in queues:
        _load(queue, each)
    place = max([queue.last for queue in queues])
    for number in numbers(folder):
        tx = folder.read(number)
        if tx is None:
            continue
        if tx.id is None and tx.began is not None:
            marks.append((tx.began, 2 * number))
        past(tx.origin_s)
        if tx.stop_s is not None:
            past(tx.stop_s)
            marks.append((tx.ended, 2 * number + 1))
            continue
        if tx.data:  # (a clock that was ahead may have been set back since: not that late)
            past(tx.data[-1][0] + min(0, tx.origin_s - tx.start_s))
        going.append(tx)
        seq, Wh, row = latest.get(number, _NOTHING)
        behind = seq > tx.seq  # the power failed between a row and the transaction's file
        if behind:
            tx.seq, tx.seen_Wh = seq, max(tx.seen_Wh, Wh)
            kind = -row[-1] // 2 & 7 if row[-1] < 0 else 0
            if kind == _TOKEN:
                tx.token, tx.kind, tx.request = row[5:8]
            elif kind == _OVER:
                tx.over = row[7]
        if _settle(tx) or behind:
            moved.append(tx)
    marks.sort()
    if marks:
        place = max(place, marks[-1][0])
    names = os.listdir(folder.path)
    for name in names:  # data of what was never begun, or was answered
        if name.endswith(".data") and name[:-5] not in names:
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
    before = tx.data, tx.start_s, tx.origin_s
    jump = tx.origin_s - tx.start_s if tx.start_s < PLAUSIBLE <= tx.origin_s else 0
    tx.data = [(_corrected(s[0], jump),) + s[1:] for s in tx.data]
    tx.start_s, tx.origin_s = _corrected(tx.start_s, jump), _corrected(tx.origin_s)
    return before != (tx.data, tx.start_s, tx.origin_s)


def _corrected(t, jump=0):
    # A time of an earlier start, without a clock: as far as it was known, or moved as it was then.
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


def _load(queue, each):
    # Fill `queue` from its folder; each(row) is called with some of its rows, the last among them.
    prefix, files = queue.prefix, queue.files
    path, mark = prefix.rsplit("/", 1)
    try:
        os.mkdir(path)
    except OSError:
        pass  # it is there
    try:
        entries = os.listdir(path)
    except OSError as e:
        queue.log("%s: %s" % (path, e))
        return
    for name in entries:
        if not os.stat(path + "/" + name)[6]:  # it was being made when the power failed
            os.remove(path + "/" + name)
        elif name == mark:
            try:
                with open(prefix, "rb") as f:
                    queue.answered = unpack(f.read(8))[0]
            except (IndexError, ValueError) as e:
                queue.log("%s damaged: samples may be told again: %r" % (prefix, e))
        elif name[:1] == mark and name[1:].isdigit():
            files.append(int(name[1:]))
    files.sort()
    small = 0
    while small < len(files) and os.stat(prefix + str(files[-1 - small]))[6] <= SMALL:
        small += 1
    last = queue.answered
    if small < len(files):
        last = _end(prefix, files[-1 - small], each)
        # Small files that the power cut left after they had been joined.
        while small and files[-small] <= last:
            os.remove(prefix + str(files.pop(-small)))
            small -= 1
    if small:
        last = _end(prefix, files[-1], each)
    queue.small = small
    queue.last = max(last, queue.answered)


def _end(prefix, name, each):
    # The number of a file's last row.
    last = name
    try:
        with open(prefix + str(name), "rb") as f:
            row = read(f, ())
            while row:
                last = row[0]
                each(row)
                row = read(f, row)
    except (IndexError, ValueError, TypeError):
        pass  # (peek() will tell)
    return last


def about(uuid, marks, running, folder, queues):
    """See Journal.about: by its marks, the transactions that run, and what the flash has."""
    for mark in marks[1::2]:
        tx = running.get(mark >> 1) or folder.read(mark >> 1)
        yield tx is not None and tx.uuid == uuid
    for number in [tx.number for tx in running.values() if tx.uuid == uuid]:
        for queue in queues:
            for name in queue.files[:]:
                yield from _of(queue, name, number)


def _of(queue, name, number):
    # Has that file a row of transaction `number` that is not answered?
    found, n = False, 0
    try:
        with open(queue.prefix + str(name), "rb") as f:
            row = read(f, ())
            while row and not found:
                found = row[1] == number and row[0] >= queue.answered
                n += 1
                if n % _AT_ONCE == 0:
                    yield found
                row = read(f, row)
    except (IndexError, OSError, ValueError):
        pass  # (it was answered meanwhile; or peek() will tell)
    yield found


def join(queue):
    """The small files of `queue` to the end of the big one before them, or into the first of them:
    either way the reader's place in the first file stays what it was."""
    prefix = queue.prefix
    if os.statvfs(prefix[:-2])[3] < queue.spare:
        raise OSError(_ENOSPC)
    names = queue.files[-queue.small :]
    big = queue.files[: -queue.small][-1:]
    data = bytearray()
    for name in names:
        with open(prefix + str(name), "rb") as f:
            data.extend(f.read())
    room = big and os.stat(prefix + str(big[0]))[6] + len(data) <= _BLOCK
    into = big[0] if room else names.pop(0)
    with open(prefix + str(into), "ab" if room else "wb") as f:
        f.write(data)
    queue.small = 0
    del queue.files[-len(names) :]
    for name in names:
        queue.remove(name)
