"""What a store finds in its folder when the power comes. Loaded for that."""

import os

from . import profile
from .profile import HEADER, ID, SEQUENCE, START


def records(store, read):
    """What the store finds there by read(store, file): without the periods, but for 6 A."""
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
        w = read(store, file)
        if w is None:
            continue
        if w[START] < 0:
            # It counts from its receipt, by a clock that was not set, in an earlier run: nobody
            # knows how long ago that was, so all of it is at its lowest.
            low, before = profile.lowest(w), w[:]
            for i in range(HEADER + 1, len(w), 2):
                w[i] = low
            if w != before:
                store.rewrite(w)
        for other in found:
            # A cut between writing the new one and removing the old.
            same = other[ID] == w[ID] and other[SEQUENCE] and w[SEQUENCE]
            if same and not profile.replaced(w) and not profile.replaced(other):
                older = other if other[SEQUENCE] < w[SEQUENCE] else w
                os.remove(path + profile.name(older))
                if older is other:
                    found[found.index(other)] = w[:HEADER]
                break
        else:
            found.append(w[:HEADER] if w[SEQUENCE] else w)
    return found
