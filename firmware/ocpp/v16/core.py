"""OCPP 1.6 Core: what the station tells by itself; requests.py: what it is asked.
Payload in, domain call, payload out; rules of charging and of sessions live further down."""

import asyncio
import time
from micropython import const

from firmware import lazy
from firmware.clock import format_iso, fraction_ms, parse_iso
from firmware.ocpp.rpc import CallError, printable
from firmware.station import metering, states
from firmware.storage import journal

_BOOT_RETRY_s = const(60)  # where the Central System names no interval
_NO_ID = const(-1)  # of a transaction that the Central System never gave one (errata 3.18)
_STEP_ms = const(100)
_LONGEST_s = const(518400)  # asyncio cannot sleep for seven days
_NEEDED = const(("BootNotification", "Authorize", "DataTransfer"))
_STATUS = const("StatusNotification")
_METER = const("MeterValues")
_SILENT = const(3)  # tries of a sample, at least, while other messages are answered
# There is nothing to tell of these.
_IDLE = const(("DiagnosticsStatusNotification", "FirmwareStatusNotification"))


class Core:
    """
    | attribute | meaning |
    |---|---|
    | triggers, unlocking | (action, connectorId or None) to be told; connectors being unlocked |
    | boot      | status of the last BootNotification.conf, or None |
    | info      | what the Central System is to know of this start, or None: `info` of the first
      StatusNotification of connector 0 |"""

    def __init__(self, station, rpc, settings, identity, smart, reset, log):
        """`identity`: payload of BootNotification. `reset(kind)` restarts the unit."""
        self.station = station
        self.rpc = rpc
        self.settings = settings
        self._identity = identity
        self.smart = smart
        self.reset = reset
        self.log = log
        self.wake = asyncio.Event()
        self.triggers = []
        self.unlocking = []  # connectors whose lock is being opened
        self._attempts = 0
        self._refused = False  # why the latest message has no answer: a CALLERROR, or silence
        self._silent = []  # actions of which the latest message was not answered
        self._tries = []  # of the transaction message at hand (Rpc.call)
        self._others = ()  # of a start that has its id: the other tries, it, its ids
        self._held = None  # the task that waits for its next attempt
        self._deaf = False  # samples are not answered: each is told once
        self._pause_s = 0  # from one BootNotification to the next
        self._asked_ms = 0  # when the latest one was sent
        self._beat_ms = 0  # when the latest heartbeat, or acceptance, was
        self.boot = self.info = None
        self.close = None  # link.Link.close
        station.wake = self.wake.set
        rpc.late = self._late

    def ready(self):
        """True if the Central System has accepted this unit."""
        return self.boot == "Accepted"

    def handle(self, action, payload):
        """Answer a request (see rpc.Rpc)."""
        handler = getattr(self.smart, action, None)
        if handler:
            return handler(payload)
        return getattr(lazy.load("ocpp.v16.requests"), action)(self, payload)

    # --- what the station says

    async def talk(self):
        """While a connection is up: BootNotification until it is accepted, then what is due."""
        told = False
        if self._held and not self._attempts:  # silence may have been the connection's fault
            self._held.cancel()
            self._held = None
        if self.boot is None:  # a mere reconnect is no boot (OCPP-J 1.6, 5.4)
            await self._boot_notification()
        beat = asyncio.create_task(self._heartbeats())
        try:
            while True:
                self.wake.clear()
                self.station.online = self.boot == "Accepted"
                if self.boot != "Accepted":
                    told = False
                    await self._wait_triggered()
                elif not told:
                    while not all([c.settled() for c in self.station.connectors]):
                        await asyncio.sleep_ms(_STEP_ms)
                    told = True
                    self.station.news.clear()  # while offline only the present counts
                    await self._own_status()
                    for c in self.station.connectors:
                        self.station.tell(c, self._now())
                elif not await self._say_one():
                    await self.wake.wait()
        finally:
            self.station.offline()
            beat.cancel()

    def _now(self):
        return self.station.clock.now()

    async def _ask(self, action, payload, tries=None):
        # The confirmation, or None where the Central System refused or did not answer.
        conf = None
        try:
            brief = () if action in _NEEDED else self._silent
            conf = await self.rpc.call(action, payload, brief, tries)
        except CallError as e:
            self._refused = True
            self.log("%s failed: %s %s" % (action, e.code, e.description))
        except asyncio.TimeoutError:
            self._refused = False
            if action not in self._silent:
                self._silent.append(action)
            self.log("%s was not answered" % action)
            # (link.py ends the connection after the third: is it the action, or everything?)
            if self.rpc.unanswered == 2 and self.boot == "Accepted" and action != "Heartbeat":
                await self._heartbeat()
                self._refused = False
            return None
        if action in self._silent:
            self._silent.remove(action)
        return conf

    async def _boot_notification(self):
        self._pause_s = _BOOT_RETRY_s
        self._asked_ms = time.ticks_ms()
        conf = await self._ask("BootNotification", self._identity)
        if not conf or not conf.get("status"):
            return
        self.boot = conf["status"]
        self.rpc.mute = self.boot == "Rejected"  # not a word until the next one (4.2)
        self.log("boot %s" % self.boot)
        self._set_clock(conf)
        self._beat_ms = time.ticks_ms()
        interval_s = conf.get("interval") or 0
        if interval_s > 0:
            self._pause_s = min(interval_s, 86400)
            if self.boot == "Accepted":
                self.settings.put("heartbeat_s", self._pause_s)

    def _set_clock(self, conf):
        text = conf.get("currentTime")
        if not text:
            return
        t = parse_iso(text)
        if self.station.clock.plausible(t):
            trip_ms = (time.ticks_ms() - self.rpc.began) & 0x3FFFFFFF
            self.station.set_clock(t, fraction_ms(text), trip_ms)
        else:  # (year 1, or 1970: a field that was never filled in)
            self.log("currentTime %s ignored" % text)

    async def _wait_triggered(self):
        # The next BootNotification comes when its time has come, whatever became of the connection
        # meanwhile, or when it is asked for; while Pending the Central System may ask for other
        # messages too (4.2).
        while (time.ticks_ms() - self._asked_ms) & 0x3FFFFFFF < self._pause_s * 1000:
            if self.triggers and self.boot != "Rejected":
                if self.triggers[0][0] == "BootNotification":
                    self.triggers.pop(0)
                    break
                if self.boot:
                    await self._say_triggered()
            await asyncio.sleep_ms(200)
        await self._boot_notification()

    async def _heartbeats(self):
        # Counted over reconnects: after hours without one the clock needs it.
        while True:
            await asyncio.sleep(1)
            if self.station.news:
                self.wake.set()  # (one may have lasted long enough)
            now_ms = time.ticks_ms()
            period_ms = self.settings.value("heartbeat_s") * 1000
            if self.boot == "Accepted" and (now_ms - self._beat_ms) & 0x3FFFFFFF >= period_ms:
                self._beat_ms = now_ms
                try:
                    await self._heartbeat()
                except OSError:
                    return  # of the connection: talk() ends too
                except MemoryError:
                    self.log("no memory for a heartbeat")

    async def _heartbeat(self):
        conf = await self._ask("Heartbeat", {})
        if conf:
            self._set_clock(conf)

    async def _say_one(self):
        # Send the most urgent message; False if there is none. What was not answered the last time
        # comes after the transactions: it may take its time again.
        station = self.station
        ask = station.next_ask()
        if ask:
            await self._authorize(ask)
        elif self.triggers:
            await self._say_triggered()
        elif await self._say_other(False):
            pass
        elif station.journal.head() and not self._held:
            await self._transaction_message(*station.journal.head())
        elif await self._say_other(True):
            pass
        elif station.transfers:
            await self._data_transfer(station.transfers.pop(0))
        else:
            return False
        return True

    async def _say_other(self, silent):
        # Statuses, and samples of no transaction, if that action is `silent` or not.
        readings = self.station.readings
        if (_STATUS in self._silent) is silent and (news := self._stable_news()):
            await self._status_notification(news)
        elif (_METER in self._silent) is silent and readings:
            reading = readings.pop(0)
            payload = _messages().meter_values(reading.number, None, reading.sample)
            await self._ask(_METER, payload)
        else:
            return False
        return True

    def _stable_news(self):
        # The next status to tell, or None. One that was left again within MinimumStatusDuration
        # (9.1) is not told; an error is told at once. Who takes their time hears of the present.
        news = self.station.news
        least_s = self.settings.value("status_s")
        at = 0
        while at < len(news):
            notice = news[at]
            t = notice.time_s
            after = [later.time_s for later in news[at + 1 :] if later.number == notice.number]
            if after and (_STATUS in self._silent or after[0] - t < least_s):
                news.pop(at)
            elif after or notice.fault or not 0 <= self._now() - t < least_s:
                return news.pop(at)
            else:
                at += 1
        return None

    async def _say_triggered(self):
        action, number = self.triggers.pop(0)
        if action == "Heartbeat":
            return await self._heartbeat()
        if action == "BootNotification":
            return await self._boot_notification()
        if action in _IDLE:
            return await self._ask(action, {"status": "Idle"})
        if action == _STATUS and not number:
            await self._own_status()
        for c in self.station.connectors:
            if number in (None, c.number) or number == 0 and action == _METER:
                if action == _METER:
                    take = self.station.metering.take
                    s = take(c, self._now(), "sampled", metering.TRIGGER)
                    await self._ask(_METER, _messages().meter_values(c.number, c.tx, s))
                else:
                    await self._status_notification(self.station.notice(c, self._now()))

    async def _own_status(self):
        # Of connector 0, the charge point itself.
        await self._status_notification(self.station.notice(None, self._now()), self.info)
        self.info = None

    async def _status_notification(self, notice, info=None):
        words = lazy.load("ocpp.v16.words")
        error, vendor_error = words.error(notice.fault)
        payload = {
            "connectorId": notice.number,
            "status": words.status(notice.state),
            "errorCode": error,
            "timestamp": format_iso(notice.time_s),
        }
        words = None  # (it is not kept while the answer takes its time)
        if not notice.number and not info and self.station.policy:
            info = self.station.policy.fault
        if info:
            payload["info"] = printable(info)[:50]
        if vendor_error:
            payload["vendorId"] = self._identity["chargePointVendor"]
            payload["vendorErrorCode"] = vendor_error
        await self._ask(_STATUS, payload)

    async def _data_transfer(self, transfer):
        names = "vendorId", "messageId", "data"
        request = {name: str(text) for name, text in zip(names, transfer)}
        answer = await self._ask("DataTransfer", request)
        if answer is not None and not answer.get("status"):
            answer = None
        if self.station.policy:
            self.station.policy.on_data_transfer(request, answer, self.station)

    async def _authorize(self, ask):
        tag = ask.token
        conf, self._refused = None, False
        try:
            conf = await self._ask("Authorize", {"idTag": tag})
        finally:  # (also of a connection that is lost)
            if conf is not None:
                status, parent = self._heard(tag, conf)
            else:
                status, parent = "no answer", None
                if not self._refused and self.station.local().offline(tag):
                    status = "Accepted"
            if status == "Accepted":
                self.station.authorised(ask, parent)
            else:
                self.log("tag %s not accepted: %s" % (tag, status))

    def _heard(self, tag, conf):
        # (status, parentIdTag or None) of a confirmation; what it says of `tag` is remembered. A
        # status that cannot be read is None; who is accepted until nobody knows when, only now.
        info = conf.get("idTagInfo") or {}
        status, parent = info.get("status"), info.get("parentIdTag")
        until = info.get("expiryDate", "")
        if status and (until is not None or status != "Accepted"):
            self.station.local().heard(tag, status, parse_iso(until) if until else None, parent)
        return status, parent

    async def _transaction_message(self, kind, tx, sample):
        # Repeated until it is answered, and in order; one that is refused with a CALLERROR is
        # tried TransactionMessageAttempts times and then given up (4.7, 9.1). Silence never gives
        # one up, but for a sample where all else is answered. What follows a start that was given
        # up says so with its id.
        if kind != journal.START and tx.id is None:
            tx.id = _NO_ID
        if kind == journal.START:
            action, payload = "StartTransaction", _messages().start_transaction(tx)
        elif kind == journal.SAMPLE:
            action, payload = _METER, _messages().meter_values(tx.connector, tx, sample)
        else:
            action, payload = "StopTransaction", _messages().stop_transaction(tx)
        tries = self._tries
        once = kind == journal.SAMPLE and self._deaf
        conf = await self._ask(action, payload, None if once else tries)
        if tries is not self._tries:  # an earlier try was answered meanwhile
            return self._late(conf, tries)
        if conf is None or not self._over(conf):
            most = self.settings.value("attempts")
            silences = len(tries) // 2
            if conf is not None or self._refused:
                self._attempts += 1
            elif kind == journal.SAMPLE and self.rpc.answered and self.rpc.unanswered < 2:
                # (something was answered since the try before)
                if once or silences >= max(most, _SILENT):
                    self._deaf = True
                    self._attempts = most
            if self._attempts < most:
                retry_s = self.settings.value("retry_s")
                retry_s = min(max(self._attempts, 1) * retry_s, _LONGEST_s)
                self._held = asyncio.create_task(self._release(retry_s))
                return
            self.log("%s given up after %d attempts" % (action, silences or most))
            self._done()

    def _late(self, conf, tries):
        # The answer to an earlier try. Another one to a start that has its id already: where that
        # opened a transaction of its own, it ends where it began, or it would be open for ever.
        if tries is self._tries:
            return self._over(conf)
        number = conf and conf.get("transactionId") or 0
        others = self._others
        if number < 1 or not others or tries is not others[0] or number in others[2:]:
            return
        if not self.station.running(number):
            self.log("transaction %d too for the start of %d: ended" % (number, others[2]))
            others.append(number)
            _messages().end_twin(self.station.journal, others[1], number)
            self.wake.set()

    def _over(self, conf):
        # The journal's head, or an earlier try of it, was answered; True if that is its end: a
        # start wants an id.
        kind, tx, _ = self.station.journal.head()
        if kind == journal.START and not self._started(tx, conf):
            return False
        if kind == journal.SAMPLE:
            self._deaf = False
        elif kind == journal.STOP and conf.get("idTagInfo"):
            self._heard(tx.stop_token or tx.token, conf)
        self._done()
        return True

    def _done(self):
        # With the journal's head.
        if self._held:
            self._held.cancel()
            self._held = None
        self._attempts = 0
        kind, tx, _ = self.station.journal.head()
        if kind == journal.START and tx.id is not None and self._tries:
            self._others = [self._tries, tx, tx.id]
        else:
            self._tries.clear()
        self._tries = []
        self.station.journal.done()
        self.wake.set()

    async def _release(self, pause_s):
        await asyncio.sleep(pause_s)
        self._held = None
        self.wake.set()

    def _started(self, tx, conf):
        # What StartTransaction.conf says; True if that is an id too.
        station = self.station
        status, parent = self._heard(tx.token, conf)
        number = conf.get("transactionId")
        if number is None and not status:
            return False
        tx.group = parent or tx.group
        tx.denied = status != "Accepted"
        station.journal.answered(tx, number)
        c = station.connectors[tx.connector - 1]
        if tx.denied and c.tx is tx:
            self.log("connector %d: tag %s is %s" % (c.number, tx.token, status))
            if self.settings.value("stop_refused"):
                c.stop(states.REFUSED)
        return number is not None


def _messages():
    # Not kept: 600 bytes that a message in a minute needs, and none without a transaction.
    return lazy.load("ocpp.v16.messages")
