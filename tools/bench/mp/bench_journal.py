"""What the journal costs on LittleFS and in RAM. MicroPython; prints one JSON object."""

import gc
import json
import time
from collections import OrderedDict

from bench_flash import T, a_flash, counted, live, rounds
from flash import mount

from firmware.station import metering
from firmware.storage.journal import SAMPLE, START, STOP, Journal
from firmware.storage.transactions import Folder, Transaction

TRANSACTIONS = 1 + rounds(99)
SAMPLES = 60  # of each transaction: an hour, one a minute
KINDS = {START: "start", SAMPLE: "sample", STOP: "stop"}
out = OrderedDict()


def a_journal():
    j = Journal(Folder("/flash/tx", say), "/flash/samples")
    j.load()
    return j


def say(text):
    raise ValueError(text)  # nothing is lost or damaged here


class Cost:
    """What many calls cost. Of the heap nothing is said: nearly all of what is allocated here is
    the flash's, which is Python."""

    def __init__(self, name):
        self.name = name
        self.least_us = None
        self.calls = self.us = self.erases = self.most = self.programmed = self.reads = 0

    def of(self, function, *args):
        began = time.ticks_us()
        erases, programmed, reads, _ = counted(chip, function, *args)
        took = time.ticks_diff(time.ticks_us(), began)
        self.us += took
        self.least_us = took if self.least_us is None else min(took, self.least_us)
        self.calls += 1
        self.erases += erases
        self.most = max(self.most, erases)
        self.programmed += programmed
        self.reads += reads

    def tell(self):
        out[self.name + "_us_least"] = self.least_us
        out[self.name + "_us_mean"] = self.us / self.calls
        out[self.name + "_erases_mean"] = self.erases / self.calls
        out[self.name + "_erases_most"] = self.most
        out[self.name + "_programmed_bytes_mean"] = self.programmed / self.calls
        out[self.name + "_flash_reads_mean"] = self.reads / self.calls


def a_sample(n, i):
    """Of transaction `n` in its minute `i`: about 11 kW with some noise."""
    mA = 16000 + 31 * i % 90
    return (
        T + 4000 * n + 60 * i,
        184 * i,
        11040 + 97 * i % 200,
        mA,
        mA,
        mA,
        0x1F,
        metering.PERIODIC,
    )


def happen(j, first, last, costs):
    """All that transactions first to last - 1 add, as when the Central System is away."""
    for n in range(first, last):
        gc.collect()  # (and so not while something is measured)
        tx = Transaction(j.next_number(), 1, f"04A2B3C4D5{n:06d}", T + 4000 * n, 0)
        costs[START].of(j.start, tx)
        for i in range(SAMPLES):
            sample = a_sample(n, i)
            tx.seen_Wh = sample[1]
            costs[SAMPLE].of(j.sample, tx, sample)
        tx.stop_s, tx.stop_Wh, tx.cause, tx.stop_token = T, tx.seen_Wh, 0, tx.token
        costs[STOP].of(j.stop, tx)


def told(j, costs):
    """The Central System takes and answers all of it."""
    while j.head():
        kind, tx, _ = j.head()
        if kind == START:
            gc.collect()
        costs[kind].of(answer, j, kind, tx)


def answer(j, kind, tx):
    # As ocpp/v16 does it, and then the next one is looked for.
    if kind == START:
        j.answered(tx, 1000 + tx.number)
    j.done()
    j.head()


def costs(what):
    return {kind: Cost(what + name) for kind, name in KINDS.items()}


chip = a_flash()
alone, append, answered = costs("append_alone_"), costs("append_"), costs("answered_")
start = live()
j = a_journal()
out["live_bytes_empty"] = live() - start
happen(j, 0, 1, alone)
happen(j, 1, TRANSACTIONS, append)
waiting = live() - start
out["transactions"] = TRANSACTIONS
out["samples"] = TRANSACTIONS * SAMPLES
out["live_bytes_all_waiting"] = waiting
out["live_bytes_per_waiting_transaction"] = (waiting - out["live_bytes_empty"]) / TRANSACTIONS
for cost in list(alone.values()) + list(append.values()):
    cost.tell()
j = None
mount(chip)  # its caches are empty
start = live()
began = time.ticks_us()
j = a_journal()
out["load_us_all_waiting"] = time.ticks_diff(time.ticks_us(), began)
out["live_bytes_after_load"] = live() - start
told(j, answered)
for cost in answered.values():
    cost.tell()
if answered[SAMPLE].calls != TRANSACTIONS * SAMPLES or chip.misused:
    raise ValueError("not all of it was told")
print(json.dumps(out))
