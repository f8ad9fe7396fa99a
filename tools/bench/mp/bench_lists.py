"""What the local list costs on LittleFS and in RAM. MicroPython; prints one JSON object."""

import gc
import json
from collections import OrderedDict

from bench_flash import T, a_flash, best_us, counted, rounds
from flash import FOLDER
from generators import run

from firmware.storage.tags import ACCEPTED, Tags

TAGS, LOOKS = 1000, rounds(100)


class Clock:
    def known(self):
        return True

    def now(self):
        return T


def name(i):
    return f"TAG{i:017}"


chip = a_flash()
tags = Tags(FOLDER, lambda setting: True, Clock(), print)
entries = [(name(i), ACCEPTED, None, None, 0) for i in range(TAGS)]
out = OrderedDict()
erases, programmed, _, _ = counted(chip, lambda: run(tags.update(1, entries, True)))
out["list_1000_erases"], out["list_1000_programmed_bytes"] = erases, programmed
one = [(name(500), ACCEPTED, T + 9, None, 0)]
erases, programmed, _, _ = counted(chip, lambda: run(tags.update(2, one, False)))
out["change_of_one_erases"], out["change_of_one_programmed_bytes"] = erases, programmed
most = total = 0
for i in range(LOOKS):
    tag = name(i * 997 % TAGS)
    _, _, _, size = counted(chip, tags.known, tag)
    most, total = max(most, size), total + size
out["look_up_1000_read_bytes_mean"], out["look_up_1000_read_bytes_most"] = total / LOOKS, most
out["look_up_1000_us"] = best_us(lambda: tags.known(name(123)), count=rounds(50))
out["look_up_of_a_stranger_1000_us"] = best_us(lambda: tags.known("NOBODY"), count=rounds(50))
gc.collect()
gc.disable()
before = gc.mem_alloc()
found = tags.known(name(123))
out["look_up_1000_allocated_bytes_with_the_flash_in_python"] = gc.mem_alloc() - before
gc.enable()
if found != (ACCEPTED, None):
    raise ValueError(found)
print(json.dumps(out))
