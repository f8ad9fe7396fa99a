# What the Central System must still be told about transactions, in the order in which it
# happened: starts, meter values, stops. Knows transactions and samples, not OCPP. Starts and
# stops are in flash (transaction.py); meter values wait in RAM and the oldest give way.

from micropython import const

from . import metering

START, SAMPLE, STOP = const(0), const(1), const(2)

_MAX_SAMPLES = const(60)


class Journal:
    """`head()` is the next message as (kind, transaction, sample); `done()` takes it away."""

    def __init__(self, folder):
        self._folder = folder
        self._queue = []
        self._samples = 0
        self._number = 0

    def load(self):
        """The transactions kept in flash, oldest first; those that have a stop are queued whole,
        the others are still running as far as the flash knows."""
        kept = self._folder.load()
        for tx in kept:
            self._number = max(self._number, tx.number)
            if tx.id is None:
                self._queue.append((START, tx, None))
            if tx.stop_s is not None:
                self._queue.append((STOP, tx, None))
        return kept

    def next_number(self):
        self._number += 1
        return self._number

    def start(self, tx):
        """False where the flash has no room for it: then it must not begin."""
        if not self._folder.save(tx):
            return False
        self._queue.append((START, tx, None))
        return True

    def sample(self, tx, sample):
        if self._samples == _MAX_SAMPLES:
            for i, entry in enumerate(self._queue):
                if i and entry[0] == SAMPLE:  # (the first may be on its way just now)
                    self._queue.pop(i)
                    self._samples -= 1
                    break
        self._queue.append((SAMPLE, tx, sample))
        self._samples += 1

    def stop(self, tx):
        self._folder.save(tx)
        self._queue.append((STOP, tx, None))

    def answered(self, tx, transaction_id):
        """StartTransaction was answered: what follows carries the real id."""
        tx.id = transaction_id
        self._folder.save(tx)

    def moved(self, tx):
        """The clock was set, and with it the transaction's times (transaction.origin_s)."""
        self._folder.save(tx)

    def clock_set(self, jump_s, plausible):
        """The clock was set for the first time: put right what was noted before."""
        for i, (kind, tx, sample) in enumerate(self._queue):
            if kind == SAMPLE:
                if not plausible(sample[0]):
                    self._queue[i] = kind, tx, (sample[0] + jump_s,) + sample[1:]
                continue
            if kind == START and not plausible(tx.start_s):
                tx.start_s += jump_s
            if kind == STOP and not plausible(tx.stop_s):
                tx.stop_s += jump_s
            metering.moved(tx, jump_s, plausible)
            self._folder.save(tx)

    def head(self):
        return self._queue[0] if self._queue else None

    def done(self):
        kind, tx, _ = self._queue.pop(0)
        if kind == SAMPLE:
            self._samples -= 1
        elif kind == STOP:
            self._folder.remove(tx)

    def __len__(self):
        return len(self._queue)
