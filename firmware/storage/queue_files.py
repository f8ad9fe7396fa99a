"""The seldom part of queue.py, forgotten after each use: what a queue finds on flash when the
power comes, and small files that become a big one."""

import os
from micropython import const

from .rows import SMALL, read, unpack

_ENOSPC = const(28)  # (MicroPython's errno has no name for it)
_BLOCK = const(4096)


def load(queue, each):
    """Fill `queue` from its folder; each(row) is called with rows that are there, those that were
    added last among them."""
    prefix = queue.prefix
    path, mark = prefix.rsplit("/", 1)
    files = queue.files
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


def join(queue):
    """The small files to the end of the big one before them, or into the first of them: either way
    the reader's place in the first file stays what it was."""
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
