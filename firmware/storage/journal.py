"""What the Central System must still be told about transactions, in the order in which it
happened: starts, stops, samples, and what else is `wanted`. Knows transactions and samples, not
OCPP. All of it is on flash before it is told, a transaction in a file (transactions.py), what
happens to it in queues (queue.py), until it was answered; RAM holds little more than the order."""

from micropython import const

from firmware import lazy
from firmware.clock import PLAUSIBLE, UNSET_s

from .queue import Queue
from .transactions import BY_UUID

# What head() can be; behind a sample what note() keeps, with these values.
START = const(0)
STOP = const(1)
SAMPLE = const(2)
TOKEN = const(3)  # a token has come: state, token, its kind, request or None
STATE = const(4)  # another state: it, why, phases or None
LIMIT = const(5)  # another limit: mA
OVER = const(6)  # the token's part is over: state, token or None, its kind, cause

# What made a transaction begin.
BY_TOKEN = const(0)  # with a car that was there
BY_CAR = const(1)  # with a token that waited for it
BY_CAR_ALONE = const(2)
BY_TOKEN_ALONE = const(3)
BY_ENERGY = const(4)

# Why a state changed.
CHANGED = const(0)
CAR_CAME = const(1)
CAR_LEFT = const(2)
ENERGY_SPENT = const(3)

PERIODIC = const(0)  # context of the samples (station/metering.py) that are the least missed

_OFFLINE = const(8)  # beside a context, and a kind
_START_OFFLINE = const(1)  # of Transaction.offline
_STOP_OFFLINE = const(2)

_ENOSPC = const(28)  # (MicroPython's errno has no name for it)
_NO_NAME = const(36)  # LittleFS says that where a new file finds no room
_SPARE = const(3)  # blocks of the flash that samples leave to starts and stops


class Journal:
    """`head()` is the next message as (kind, transaction, sample); `done()` takes it away.
    Every message has a place, a number that rises, and one within its transaction, from 0 on,
    which it keeps over reboots: `seq` is that of head(), `offline`: it happened while nobody could
    be told of it at once, which `online` says of now. When the flash is full samples give way,
    the oldest first: periodic ones, then the others, where note() keeps something all of them
    before that; their numbers are missing then. Starts and stops never do. `wanted`: the kinds
    behind SAMPLE that are kept."""

    def __init__(self, folder, samples):
        """`folder`: transactions.Folder; `samples`: the path of a folder."""
        self.folder = folder
        periodic = Queue(samples, "p", 2 * _SPARE, folder.log)
        self._samples = periodic, Queue(samples, "v", _SPARE, folder.log)
        self.seq, self.wanted = 0, ()
        self.online, self.offline = False, False
        self._marks = []  # of starts and stops: place, 2 * number + (1 for a stop), place, ...
        self._open = {}  # the transactions that are not (durably) stopped, by number
        self._tx = self._head = None  # the one that was told of last; what head() gives
        self._number = self._place = 0
        # Of starts of the unit in which the clock was set: the place before it, the last one when
        # that was, and by how many seconds what lies between is to be moved; three numbers each.
        self._jumps = []
        self._booted = 0  # the last place of the starts before this one
        self.last = -UNSET_s  # the latest time that they noted

    def load(self):
        """Queue what the flash holds; -> the transactions that still run as far as it knows."""
        found = lazy.load("storage.resume").journal(self.folder, self._samples)
        self._number, self._place, self._marks, self._jumps, self.last, going, moved = found
        self._booted = self._place
        self._open = {tx.number: tx for tx in going}
        for tx in moved:
            tx.data and self.keep(tx)
            self.save(tx)
        return going

    def next_number(self):
        """For a transaction that is about to begin."""
        self._number += 1
        return self._number

    def start(self, tx):
        """False where the flash has no room for it: then it must not begin."""
        self._place += 1
        held = tx.number in self._open
        tx.began, tx.seq = self._place, 1
        tx.offline = _START_OFFLINE * self._late()
        if not self.save(tx):
            if held:
                self.drop(tx)
            return False
        self._open[tx.number] = tx
        self._marks.extend((self._place, 2 * tx.number))
        return True

    def hold(self, tx):
        """Remember it, but tell nobody yet. False: no room."""
        if self.save(tx):
            self._open[tx.number] = tx
        return tx.number in self._open

    def drop(self, tx):
        """It is over before anybody was told."""
        self._open.pop(tx.number, None)
        self.folder.remove(tx)

    def sample(self, tx, sample):
        """A sample (metering.py) of a transaction; its `seen_Wh` is as of that too."""
        bits, context = sample[-2:]
        context |= self._late() * _OFFLINE
        rank = 0 if self.wanted or context & 7 == PERIODIC else 1
        self._add(rank, tx, sample[:-2] + (bits | context << 12,))

    def note(self, tx, kind, t, *values):
        """What is no sample, at `t`, if its kind is wanted; head() has (t, number, ...) of it."""
        if kind in self.wanted:
            kind |= self._late() * _OFFLINE
            self._add(1, tx, (t,) + values + (-2 * kind,))  # (bit 0 of a sample's says: energy)

    def _late(self):  # (who wants no more than samples never asks)
        return bool(self.wanted) and not self.online

    def _add(self, rank, tx, values):
        # The row first, then the transaction: a power cut between them is seen by the row.
        self._place += 1
        row = (self._place, tx.number, tx.seq) + values
        if _write(self, self._samples[rank].add, row, rank + 1):
            tx.seq += 1
        else:
            self.folder.log("transaction %d: sample lost" % tx.number)
        self.save(tx, 0)

    def stop(self, tx):
        """The transaction has its stop_s, stop_Wh, cause. Durable if the flash lets it."""
        self._place += 1
        tx.ended = self._place
        tx.seq += 1
        tx.offline |= self._late() * _STOP_OFFLINE
        if self.save(tx):
            self._open.pop(tx.number, None)
            self._tx = tx
        self._marks.extend((self._place, 2 * tx.number + 1))

    def keep(self, tx):
        """Its `data` has a sample more; see Folder.keep()."""
        _write(self, self.folder.keep, tx, 1)

    def answered(self, tx, transaction_id):
        """Its start was answered: what follows carries the real id. One that was given stays."""
        if tx.id is None or transaction_id != BY_UUID:
            tx.id = transaction_id
        self.save(tx)

    def clock_set(self, jump_s):
        """The clock was set for the first time: put right what was noted before."""
        for tx in self._open.values():
            if tx.data:
                tx.data = [(s[0] + jump_s * (s[0] < PLAUSIBLE),) + s[1:] for s in tx.data]
                self.keep(tx)
        if self.head() is None:
            return
        # (that it is earlier than it was known to be: then all that was noted since moves by it)
        since = self._booted if jump_s >= UNSET_s else 0
        jumps = self._jumps
        while jumps and jumps[1] < self._head_place:  # all of before it was told
            del jumps[:3]
        jumps.extend((since, self._place, jump_s))
        _write(self, lazy.load("storage.resume").keep, (self.folder, jumps))
        self._head = self._tx = None
        self.head()  # (done() must find it)

    def head(self):
        """(kind, transaction, None or sample or what was noted) of the next message, or None."""
        while self._head is None:
            first = None
            for queue in self._samples:
                row = queue.peek()
                if row and (first is None or row[0] < first[0]):
                    first, self._queue = row, queue
            marks = self._marks
            if marks and (first is None or marks[0] < first[0]):
                self._head_place = marks[0]
                tx = self._find(marks[1] >> 1)
                if tx is None:
                    del marks[:2]
                elif marks[1] & 1:
                    tx.stop_s = _corrected(self, tx.stop_s)
                    tx.data = [(_corrected(self, s[0]),) + s[1:] for s in tx.data]
                    self._head, self.seq = (STOP, tx, None), tx.seq - 1
                    self.offline = bool(tx.offline & _STOP_OFFLINE)
                else:
                    tx.start_s = _corrected(self, tx.start_s)
                    self._head, self.seq = (START, tx, None), 0
                    self.offline = bool(tx.offline & _START_OFFLINE)
            elif first is None:
                return None
            else:
                self._head_place = first[0]
                tx, last = self._find(first[1]), first[-1]
                mark = last >> 12 if last >= 0 else -last // 2
                kind = SAMPLE if last >= 0 else mark & ~_OFFLINE
                if tx and (kind == SAMPLE or kind in self.wanted):
                    self.seq, self.offline = first[2], bool(mark & _OFFLINE)
                    values = (_corrected(self, first[3]),) + first[4:-1]
                    context = (last & 0xFFF, mark & ~_OFFLINE) if kind == SAMPLE else ()
                    self._head = kind, tx, values + context
                else:
                    self._queue.pop(first[0])
        return self._head

    def about(self, uuid):
        """Generator, one step a value: a true one says that there is something to be told of the
        transaction with that uuid."""
        resume = lazy.load("storage.resume")
        return resume.about(uuid, self._marks, self._open, self.folder, self._samples)

    def done(self):
        """The head was answered, or is given up. Durable."""
        (kind, tx, _), self._head = self._head, None
        if kind >= SAMPLE:
            return self._queue.pop(self._head_place)
        del self._marks[:2]
        if kind == STOP:
            self._open.pop(tx.number, None)
            self.folder.remove(tx)
            self._tx = None
        elif tx.id is None:  # given up, also for after a power cut
            tx.began = None
            self.save(tx)

    def _find(self, number):
        tx = self._open.get(number) or self._tx
        if tx is None or tx.number != number:
            self._tx = tx = self.folder.read(number)
        return tx

    def save(self, tx, ranks=2):
        """Write what has changed of it; False: the flash is full, or does not work."""
        return _write(self, self.folder.write, tx, ranks)


def _write(self, write, what, ranks=2):
    # write(what); for want of room samples of lower `ranks` give way. False: it failed.
    while True:
        try:
            write(what)
            return True
        except OSError as e:
            gone = None
            if e.errno == _ENOSPC or e.errno == _NO_NAME:
                for queue in self._samples[:ranks]:
                    gone = gone or queue.drop(e.errno == _NO_NAME)
            if not gone:
                self.folder.log("not written: %r" % e)
                return False
            self.folder.log("flash full: samples from %d to before %d given up" % gone)


def _corrected(self, t):
    # What was noted at the head's place at `t`, by a clock that may not have been set yet: by
    # what the clock then moved in that start; for one in which it was never set, by what it
    # said that time is at least, or as in the next one where it did not know even that.
    if t >= PLAUSIBLE:
        return t
    place = self._head_place
    least_s = t + UNSET_s
    jumps = self._jumps
    for i in range(0, len(jumps), 3):
        if place <= jumps[i + 1] and (place > jumps[i] or least_s < PLAUSIBLE):
            return t + jumps[i + 2]
    return least_s if place <= self._booted and least_s >= PLAUSIBLE else t
