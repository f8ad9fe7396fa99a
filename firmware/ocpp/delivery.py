"""What is told about transactions, in order and until it is answered: retries, what was refused,
silence, late answers. How it is said, and what an answer means, knows a version's messages.py."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.station import states
from firmware.storage.journal import BY_CAR_ALONE, OVER, SAMPLE, START, STOP, TOKEN

_ACCEPTED = const(0)  # of a token (storage/tags.py)


class Delivery:
    """`tell` tells the journal's head; when it comes again is decided here."""

    def __init__(self, outbox):
        self._outbox = outbox
        self._attempts = 0
        self._tries = []  # of the message at hand (Rpc.call)
        self._others = ()  # of a start that has its id: the other tries, it, its ids
        self._pause = None  # the task that waits for its next attempt
        self._foreign = False  # in place of the journal's head: see messages.foreign
        self._deaf = False  # samples are not answered: each is told once
        outbox.rpc.late = self._late

    def waits(self):
        """The journal's head waits for its next attempt."""
        return bool(self._pause)

    def again(self):
        """There is a new connection: silence may have been the fault of the one before."""
        if not self._attempts:
            self.cancel()

    def moved(self):
        """Another language is spoken. Who has not answered may have heard the journal's head: that
        number is not used again."""
        journal = self._outbox.station.journal
        head = self._tries and journal.head()
        if head and head[1].told > 0:  # (as messages.event, and one more)
            head[1].told -= journal.seq + 2
            journal.save(head[1])
        self._attempts, self._tries = 0, []

    def cancel(self):
        """Wait no longer."""
        if self._pause:
            self._pause.cancel()
            self._pause = None

    async def tell(self, kind, tx, sample):
        """Tell the journal's head once. It is repeated until it is answered; one that is refused
        with a CALLERROR is tried `attempts` times and then given up (OCPP 1.6 ed. 2, 4.7, 9.1).
        Silence never gives one up, but for a sample where all else is answered."""
        outbox = self._outbox
        self._foreign = outbox.message("foreign", kind, tx)
        action, payload = outbox.message("event", kind, tx, sample, outbox.station)
        tries = self._tries
        once = kind == SAMPLE and self._deaf
        conf = await outbox.ask(action, payload, None if once else tries)
        if tries is not self._tries:  # an earlier try was answered meanwhile
            return self._late(conf, tries)
        if conf is None or not self._over(conf):
            most = outbox.settings.value("attempts")
            silences = len(tries) // 2
            if conf is not None or outbox.refused:
                self._attempts += 1
            elif kind == SAMPLE and outbox.rpc.answered and outbox.rpc.unanswered < 2:
                # (something was answered since the try before)
                if once or silences >= max(most, 3):
                    self._deaf, self._attempts = True, most
            if self._attempts < most:
                retry_s = max(self._attempts, 1) * outbox.settings.value("retry_s")
                self._pause = asyncio.create_task(self._release(min(retry_s, 518400)))
                return
            outbox.log("%s given up after %d attempts" % (action, silences or most))
            if kind == START or self._foreign:
                outbox.message("started", tx, outbox.station.journal.seq)
            self._done(tx)

    async def _release(self, pause_s):  # (asyncio cannot sleep for seven days)
        await asyncio.sleep(pause_s)
        self._pause = None
        self._outbox.notify()

    def _late(self, conf, tries):
        # The answer to an earlier try. Another one to a start that has its id already: where that
        # opened a transaction of its own, it ends where it began, or it would be open for ever.
        if tries is self._tries:
            return self._over(conf)
        outbox, others = self._outbox, self._others
        if conf and others and tries is others[0]:
            number = outbox.module("messages").number(conf) or 0
            if number > 0 and number not in others[2:] and not outbox.station.running(number):
                outbox.log("transaction %d too for the start of %d: ended" % (number, others[2]))
                others.append(number)
                outbox.module("messages").end_twin(outbox.station.journal, others[1], number)
                outbox.notify()

    def _over(self, conf):
        # A try of the journal's head was answered; True if that is its end: a start wants an id.
        outbox, station = self._outbox, self._outbox.station
        messages = outbox.module("messages")
        kind, tx, values = station.journal.head()
        if self._foreign:
            kind = START
        if kind == SAMPLE:
            self._deaf = False
        status = group = None
        token, of = _named(kind, tx, values)
        if token is not None:
            status, group = messages.heard(station, token, of, conf, tx.connector)
            status = messages.SILENCE if status is None else status
        number = messages.number(conf) if kind == START else None
        if kind == START and number is None and status is None:
            return False
        if token is not None and kind in (START, TOKEN):
            tx.group = group or tx.group
            tx.denied = status != _ACCEPTED
        if kind == START:
            messages.started(tx, station.journal.seq)
            station.journal.answered(tx, number)
        elif kind == TOKEN:
            station.journal.save(tx)
        if kind in (START, TOKEN) and tx.denied:
            self._refuse(tx, status)
        if kind == START and number is None:
            return False
        self._done(tx)
        return True

    def _refuse(self, tx, status):
        # The Central System does not accept the token that charges.
        outbox = self._outbox
        c = outbox.station.connectors[tx.connector - 1]
        if c.tx is tx:
            lazy.load("ocpp.jobs").denied(outbox, tx.token, status)
            if outbox.settings.value("stop_refused"):
                c.stop(states.REFUSED)

    def _done(self, tx):
        self.cancel()
        journal = self._outbox.station.journal
        if self._foreign:  # (what it was in the way of comes next)
            journal.save(tx)
        kind = START if self._foreign else journal.head()[0]
        if kind == START and tx.id is not None and self._tries:
            self._others = [self._tries, tx, tx.id]
        else:
            self._tries.clear()
        self._attempts, self._tries = 0, []
        if not self._foreign:
            journal.done()
        self._foreign = False
        self._outbox.notify()


def _named(kind, tx, values):
    # The token, and its kind, of which that head of the journal speaks; or None, None.
    if kind == TOKEN or kind == OVER:
        return values[2:4]
    if kind == STOP and tx.stop_token:
        return tx.stop_token, tx.stop_kind
    if kind >= SAMPLE or kind == START and tx.by == BY_CAR_ALONE:
        return None, None
    return tx.token, tx.kind
