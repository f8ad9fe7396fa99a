"""What a store finds in its folder when the power comes. Loaded for that."""

import os

from firmware import lazy

from . import profile
from .profile import HEADER, ID, KEY, SEQUENCE, START

record = lazy.load("charging.record")


def records(store, rewrite):
    """What the store finds there: without the periods, but for 6 A."""
    found = []
    path = store.path + "/"
    try:
        os.mkdir(store.path)
    except OSError:
        pass  # it is there
    for file in sorted(os.listdir(store.path)):
        if not os.stat(path + file)[6]:  # a cut while it was created: it never was
            os.remove(path + file)
            continue
        w = record.read(store, file)
        if w is None:
            continue
        if w[START] < 0:
            # It counts from its receipt, by a clock that was not set, in an earlier run: nobody
            # knows how long ago that was, so all of it is at its lowest.
            low, before = profile.lowest(w), w[:]
            for i in range(HEADER + 1, len(w), 2):
                w[i] = low
            if w != before:
                rewrite(w)
        for other in found[:]:
            # A cut between writing the new one and removing the old.
            older, newer = (other, w) if other[SEQUENCE] < w[SEQUENCE] else (w, other)
            if _succeeds(newer, older):
                os.remove(path + record.name(older))
                if older is w:
                    break
                found.remove(other)
        else:
            found.append(w[:HEADER] if w[SEQUENCE] else w)
    return found


def _succeeds(w, old):
    if not old[SEQUENCE] or profile.replaced(w) or profile.replaced(old):
        return False
    alone = w[KEY] >> 24 & profile.FLAG_ALONE and record.together(w, old)
    return alone or w[ID] == old[ID]
