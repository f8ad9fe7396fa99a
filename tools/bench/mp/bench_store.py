"""What profiles cost on LittleFS and in RAM. MicroPython; prints one JSON object."""

import json
import os
from collections import OrderedDict

from bench_flash import BLOCKS, a_flash, a_store, best_us, counted, live, place, put, rounds
from flash import FOLDER, mount

from firmware.charging.profile import SEQUENCE

N = 32
PUTS = rounds(200)
OTHERS = 15  # profiles of 24 periods that are installed beside the one that is written
out = OrderedDict()


def free_blocks():
    return os.statvfs("/flash")[3]


def sizes():
    """One profile of 24 periods on flash and in RAM."""
    a_flash()
    free = free_blocks()
    store = a_store()
    for i in range(N):
        put(store, place(i, 24))
    out["flash_file_bytes_24_periods"] = os.stat(FOLDER + "/" + os.listdir(FOLDER)[0])[6]
    out["flash_blocks_per_profile_24_periods"] = (free - free_blocks()) / N
    out["flash_blocks_of_partition"] = BLOCKS
    store = a_store()
    headers = bytes_each(store.records)
    start = live()
    for i in range(N):
        store.whole(store.records[i])
    store.trim()
    loaded = live() - start
    out["ram_bytes_record_24_periods"] = bytes_each(store.records)
    out["ram_bytes_record_header_only"] = headers
    out["ram_bytes_added_when_periods_are_read_24_periods"] = loaded / N


def bytes_each(records):
    """Heap of a copy of one of the records, of which there are N."""
    copies = [None] * N
    start = live()
    for i in range(N):
        copies[i] = records[i][:]
    return (live() - start) / N


def writes(periods):
    """Erases and bytes programmed by Store.put."""
    chip = a_flash()
    store = a_store()
    erases, programmed, _, _ = counted(chip, put, store, place(20, periods))
    tail = f"_{periods}_periods"
    out["first_put_erases" + tail] = erases
    out["first_put_programmed_bytes" + tail] = programmed
    for i in range(OTHERS):
        put(store, place(i, 24))
    total = [0, 0]
    most = 0
    for i in range(PUTS // 4 + PUTS):
        erases, programmed, _, _ = counted(chip, put, store, place(20, periods, 1 + i))
        store.trim()
        if i >= PUTS // 4:  # before that it is not the steady state
            total[0] += erases
            total[1] += programmed
            most = max(most, erases)
    out["replace_erases_mean" + tail] = total[0] / PUTS
    out["replace_erases_most" + tail] = most
    out["replace_programmed_bytes_mean" + tail] = total[1] / PUTS
    store.trim()  # its periods are read back
    erases, programmed, reads, _ = counted(chip, put, store, place(20, periods, i + 1))
    out["identical_erases" + tail] = erases
    out["identical_programmed_bytes" + tail] = programmed
    out["identical_flash_reads" + tail] = reads
    if chip.misused:
        raise ValueError("programmed what was not erased")


def boot(count, periods):
    """Store() on a flash with `count` profiles."""
    chip = a_flash()
    store = a_store()
    for i in range(count):
        put(store, place(i, periods))
    del store
    least = None
    for _ in range(5):
        mount(chip)  # its caches are empty
        took = best_us(a_store, count=1)
        least = took if least is None else min(least, took)
    tail = f"_{count}x{periods}" if count else "_no_profiles"
    out["boot_us" + tail] = least
    mount(chip)
    start = live()
    _, _, reads, read_bytes = counted(chip, keep)
    out["boot_heap_live_bytes" + tail] = live() - start
    out["boot_flash_reads" + tail] = reads
    out["boot_flash_read_bytes" + tail] = read_bytes
    store = kept.pop()
    if len(store.records) != count or not all([w[SEQUENCE] for w in store.records]):
        raise ValueError(f"{len(store.records)} records")
    if count:
        w = store.records[0]
        _, _, reads, read_bytes = counted(chip, store.whole, w)
        out[f"read_back_flash_reads_{periods}_periods"] = reads
        out[f"read_back_flash_read_bytes_{periods}_periods"] = read_bytes


kept = []


def keep():
    kept.append(a_store())


sizes()
for n in (1, 24, 96):
    writes(n)
boot(0, 96)
boot(32, 96)
print(json.dumps(out))
