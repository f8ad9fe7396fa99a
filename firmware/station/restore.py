# The seldom part of journal.py and samples.py, forgotten after each use: what they know of the
# flash when the power comes, the first setting of the clock, small files that become a big one,
# a transaction that the Central System opened twice.

import os
from micropython import const

from firmware.clock import PLAUSIBLE, UNSET_s

from . import states
from .samples import ENOSPC, SMALL, pack, read, unpack
from .transaction import Transaction

_BLOCK = const(4096)


def journal(j, folder, samples):
    """Fill Journal `j` from its folder and the folder of its samples."""
    for queue in samples:
        _samples(j, queue)
        j._place = max(j._place, queue.last)
    for number in folder.numbers():
        tx = folder.read(number)
        if tx is None:
            continue
        j._number = number
        if tx.id is None and tx.began is not None:
            _mark(j, tx.began, 2 * number)
        _past(j, tx.origin_s)
        if tx.stop_s is not None:
            _past(j, tx.stop_s)
        elif tx.data:  # (a clock that was ahead may have been set back since: not that late)
            _past(j, tx.data[-1][0] + min(0, tx.origin_s - tx.start_s))
        if tx.stop_s is None:
            j._open[number] = tx
            _time(j, tx)
        else:
            _mark(j, tx.ended, 2 * number + 1)
    numbers = [str(number) for number in folder.numbers()]
    for name in os.listdir(folder.path):  # data of what was never begun, or was answered
        if name.endswith(".data") and name[:-5] not in numbers:
            os.remove(folder.path + "/" + name)
    try:
        with open(folder.path + "/clock", "rb") as f:
            jumps = unpack(f.read())
            j._place = max(j._place, jumps[-2])
            j._jumps = list(jumps[: len(jumps) // 3 * 3])
    except (OSError, IndexError, ValueError, TypeError):
        pass  # the clock never had to be corrected
    j._booted = j._place


def _corrected(t, jump=0):
    # A time from before the clock was set, in an earlier start: as far as it was known then, or
    # `jump` later if it was set in that.
    if jump and t < PLAUSIBLE:
        return t + jump
    return t + UNSET_s if t < PLAUSIBLE <= t + UNSET_s else t


def _past(j, t):
    j.last = max(j.last, t if t < PLAUSIBLE else t - UNSET_s)


def _time(j, tx):
    # What goes on must not mix times of several starts: those before this one are settled. Where
    # the clock was set since it began, its origin was moved by as much.
    jump = tx.origin_s - tx.start_s if tx.start_s < PLAUSIBLE <= tx.origin_s else 0
    data = [(_corrected(s[0], jump),) + s[1:] for s in tx.data]
    if data != tx.data:
        tx.data = data
        j.keep(tx)
    times = _corrected(tx.start_s, jump), _corrected(tx.origin_s)
    if times != (tx.start_s, tx.origin_s):
        tx.start_s, tx.origin_s = times
        j.moved(tx)


def _mark(j, place, what):
    marks = j._marks
    i = len(marks)
    while i and marks[i - 2] > place:
        i -= 2
    marks.insert(i, what)
    marks.insert(i, place)
    j._place = max(j._place, place)


def _samples(j, queue):
    prefix = queue.prefix
    path, mark = prefix.rsplit("/", 1)
    files = queue.files
    sizes = {}
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
        size = os.stat(path + "/" + name)[6]
        if not size:  # it was being made when the power failed
            os.remove(path + "/" + name)
        elif name == mark:
            try:
                with open(prefix, "rb") as f:
                    queue.answered = unpack(f.read(8))[0]
            except (IndexError, ValueError) as e:
                queue.log("%s damaged: samples may be told again: %r" % (prefix, e))
        elif name[:1] == mark and name[1:].isdigit():
            files.append(int(name[1:]))
            sizes[files[-1]] = size
    files.sort()
    small = 0
    while small < len(files) and sizes[files[-1 - small]] <= SMALL:
        small += 1
    last = queue.answered
    if small < len(files):
        big = files[-1 - small]
        queue.big = sizes[big]
        last = _end(j, prefix, big)
        # Small files that the power cut left after they had been joined.
        while small and files[-small] <= last:
            os.remove(prefix + str(files.pop(-small)))
            small -= 1
    if small:
        last = _end(j, prefix, files[-1])
    queue.small = small
    queue.last = max(last, queue.answered)


def _end(j, prefix, name):
    # The number of a file's last row.
    last = name
    try:
        with open(prefix + str(name), "rb") as f:
            row = read(f, ())
            while row:
                last = row[0]
                _past(j, row[2])
                row = read(f, row)
    except (IndexError, ValueError):
        pass  # (peek() will tell)
    return last


def join(queue):
    """The small files to the end of the big one before them, or into the first of them: either way
    the reader's place in the first file stays what it was."""
    prefix = queue.prefix
    if os.statvfs(prefix[:-2])[3] < queue.spare:
        raise OSError(ENOSPC)
    names = queue.files[-queue.small :]
    data = bytearray()
    for name in names:
        with open(prefix + str(name), "rb") as f:
            data.extend(f.read())
    if queue.big and queue.big + len(data) <= _BLOCK:
        into = queue.files[-queue.small - 1]
    else:
        into = names.pop(0)
        queue.big = 0
    with open(prefix + str(into), "ab" if queue.big else "wb") as f:
        f.write(data)
    queue.big += len(data)
    queue.small = 0
    del queue.files[-len(names) :]
    for name in names:
        queue.remove(name)


def other(j, tx, transaction_id):
    """The start of `tx` has that id too: queue the end of a transaction without energy."""
    twin = Transaction(j.next_number(), tx.connector, tx.id_tag, tx.start_s, tx.start_Wh)
    twin.id = transaction_id
    twin.stop_s, twin.stop_Wh, twin.cause = tx.start_s, tx.start_Wh, states.FAULT
    j.stop(twin)


def corrections(j, folder, jump_s):
    """The clock moved by `jump_s` when it was set for the first time."""
    rows = [queue.peek() for queue in j._samples]
    places = j._marks[:1] + [row[0] for row in rows if row]
    if not places:
        return  # nothing waits
    jumps = j._jumps
    while jumps and jumps[1] < min(places):
        del jumps[:3]
    # (that it is earlier than it was known to be: then all that was noted since moves by the same)
    jumps.extend((j._booted if jump_s >= UNSET_s else 0, j._place, jump_s))

    def write(data):
        with open(folder.path + "/clock", "wb") as f:
            f.write(data)

    j._write(write, pack(jumps))
