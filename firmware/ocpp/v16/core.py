# OCPP 1.6 Core: what the Central System may ask, and what the station tells it by itself.
# Payload in, domain call, payload out; rules of charging and of sessions live further down.

import asyncio
import json
import time
from micropython import const

from firmware import lazy
from firmware.clock import format_iso, fraction_ms, parse_iso
from firmware.ocpp.configuration import MAX_KEYS
from firmware.ocpp.rpc import CallError, printable
from firmware.ocpp.v16.smart_charging import Refused, limit_by, limit_next
from firmware.station import metering, states
from firmware.storage import journal

_VENDOR = const("Pilotwire")  # vendorId of our own DataTransfer messages
_BOOT_RETRY_s = const(60)  # where the Central System names no interval
_NO_ID = const(-1)  # of a transaction that the Central System never gave one (errata 3.18)
_MAX_TRIGGERS = const(8)
_UNLOCK_ms = const(20000)  # for the current to end, and for all tries of the motor
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
    | boot      | status of the last BootNotification.conf, or None |
    | info      | what the Central System is to know of this start, or None: `info` of the first
      StatusNotification of connector 0 |
    """

    def __init__(self, station, rpc, settings, identity, smart, reset, log):
        """`identity`: payload of BootNotification. `reset(kind)` restarts the unit."""
        self._station = station
        self._rpc = rpc
        self._settings = settings
        self._identity = identity
        self._smart = smart
        self._reset = reset
        self._log = log
        self._wake = asyncio.Event()
        self._triggers = []
        self._unlocking = []  # connectors whose lock is being opened
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
        station.wake = self._wake.set
        rpc.late = self._late

    def ready(self):
        """True if the Central System has accepted this unit."""
        return self.boot == "Accepted"

    def handle(self, action, payload):
        """Answer a request (see rpc.Rpc)."""
        for owner in (self, self._smart):
            handler = getattr(owner, action, None)
            if handler:
                return handler(payload)
        raise CallError("NotSupported", action)

    # --- what the Central System asks

    def RemoteStartTransaction(self, payload):
        station = self._station
        tag = payload["idTag"]
        number = payload.get("connectorId")
        c = None
        if self.boot != "Accepted" or not _is_tag(tag):
            pass  # (4.2: not while Pending)
        elif number is None:
            c = station.choose()
        elif 1 <= number <= len(station.connectors):
            c = station.connectors[number - 1]
        if c is None or not c.free():
            return {"status": "Rejected"}
        w = None
        if "chargingProfile" in payload:
            p = payload["chargingProfile"]
            try:
                if p["chargingProfilePurpose"] != "TxProfile" or "transactionId" in p:
                    raise Refused("a remote start brings a TxProfile without transactionId")
                w = self._smart.record(p, c.number)
                if not station.store.room(w):
                    raise Refused("no room for its profile")
            except Refused as e:
                self._log("remote start refused: %s" % e)
                return {"status": "Rejected"}
        if self._settings.value("remote_authorise"):
            station.ask(tag, c if number or c.plugged() else None, w)
        else:
            station.accept(tag, c if number or c.plugged() else None, w)
        return {"status": "Accepted"}

    def RemoteStopTransaction(self, payload):
        c = self._station.running(payload["transactionId"])
        if c is None:
            return {"status": "Rejected"}
        c.stop(states.REMOTE)
        return {"status": "Accepted"}

    def ClearCache(self, payload):
        if not self._settings.value("cache"):
            return {"status": "Rejected"}
        self._station.local().clear()
        return {"status": "Accepted"}

    def ChangeAvailability(self, payload):
        station, number = self._station, payload["connectorId"]
        if not 0 <= number <= len(station.connectors):
            return {"status": "Rejected"}
        operative = payload["type"] == "Operative"
        if not station.set_availability(number, operative):
            return {"status": "Rejected"}
        later = [c.tx for c in station.connectors if c.tx and number in (0, c.number)]
        return {"status": "Scheduled" if later and not operative else "Accepted"}

    def UnlockConnector(self, payload):
        number = payload["connectorId"]
        if not 0 < number <= len(self._station.connectors):
            return {"status": "NotSupported"}
        c = self._station.connectors[number - 1]
        if c.lock is None:
            return {"status": "NotSupported"}
        if c.number in self._unlocking:
            return {"status": "UnlockFailed"}  # the one before is still at it
        self._unlocking.append(c.number)
        return asyncio.create_task(self._unlock(c))

    async def _unlock(self, c):
        # A transaction ends first, the contactor opens, then the lock moves (5.18).
        status = "UnlockFailed"
        c.stop(states.UNLOCK)
        c.lock.reset()
        c.lock.release = True
        began = time.ticks_ms()
        try:
            while time.ticks_diff(time.ticks_ms(), began) < _UNLOCK_ms:
                await asyncio.sleep_ms(_STEP_ms)
                if not c.lock.holds:
                    status = "Unlocked"
                    break
        finally:
            self._unlocking.remove(c.number)
        return {"status": status}

    def GetConfiguration(self, payload):
        names = payload.get("key", ())
        if len(names) > MAX_KEYS:
            raise CallError("PropertyConstraintViolation", "key: at most %d" % MAX_KEYS)
        return self._settings.pieces(names, printable)

    def ChangeConfiguration(self, payload):
        status = self._settings.set(payload["key"], payload["value"])
        if status == "Accepted" and payload["key"] in ("AuthorizationKey", "SecurityProfile"):
            # (dialled with it: A01, A05.FR.06)
            self._rpc.after = lambda: self.close("another " + payload["key"])
        return {"status": status}

    def DataTransfer(self, payload):
        if payload["vendorId"] != _VENDOR:
            return {"status": "UnknownVendorId"}
        if payload.get("messageId") != "LimitReason":
            return {"status": "UnknownMessageId"}
        for c in self._station.connectors:
            if payload.get("data", "1") == str(c.number):
                reason = {"limit_mA": self._station.limit_mA(c)}
                reason["limit_by"] = limit_by(self._station, c)
                reason["limit_next"] = limit_next(self._station, c)
                return {"status": "Accepted", "data": json.dumps(reason)}
        return {"status": "Rejected"}

    def Reset(self, payload):
        self._rpc.after = lambda: self._reset(payload["type"])
        return {"status": "Accepted"}

    def TriggerMessage(self, payload):
        action, number = payload["requestedMessage"], payload.get("connectorId")
        if number is not None and not 0 <= number <= len(self._station.connectors):
            return {"status": "Rejected"}
        if len(self._triggers) >= _MAX_TRIGGERS:
            return {"status": "Rejected"}
        self._triggers.append((action, number))
        self._rpc.after = self._wake.set
        return {"status": "Accepted"}

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
                self._wake.clear()
                self._station.online = self.boot == "Accepted"
                if self.boot != "Accepted":
                    told = False
                    await self._wait_triggered()
                elif not told:
                    while not all([c.settled() for c in self._station.connectors]):
                        await asyncio.sleep_ms(_STEP_ms)
                    told = True
                    self._station.news.clear()  # while offline only the present counts
                    await self._own_status()
                    for c in self._station.connectors:
                        self._station.tell(c, self._now())
                elif not await self._say_one():
                    await self._wake.wait()
        finally:
            self._station.offline()
            beat.cancel()

    def _now(self):
        return self._station.clock.now()

    async def _ask(self, action, payload, tries=None):
        # The confirmation, or None where the Central System refused or did not answer.
        conf = None
        try:
            brief = () if action in _NEEDED else self._silent
            conf = await self._rpc.call(action, payload, brief, tries)
        except CallError as e:
            self._refused = True
            self._log("%s failed: %s %s" % (action, e.code, e.description))
        except asyncio.TimeoutError:
            self._refused = False
            if action not in self._silent:
                self._silent.append(action)
            self._log("%s was not answered" % action)
            # (link.py ends the connection after the third: is it the action, or everything?)
            if self._rpc.unanswered == 2 and self.boot == "Accepted" and action != "Heartbeat":
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
        self._rpc.mute = self.boot == "Rejected"  # not a word until the next one (4.2)
        self._log("boot %s" % self.boot)
        self._set_clock(conf)
        self._beat_ms = time.ticks_ms()
        interval_s = conf.get("interval") or 0
        if interval_s > 0:
            self._pause_s = min(interval_s, 86400)
            if self.boot == "Accepted":
                self._settings.put("heartbeat_s", self._pause_s)

    def _set_clock(self, conf):
        text = conf.get("currentTime")
        if not text:
            return
        t = parse_iso(text)
        if self._station.clock.plausible(t):
            trip_ms = (time.ticks_ms() - self._rpc.began) & 0x3FFFFFFF
            self._station.set_clock(t, fraction_ms(text), trip_ms)
        else:  # (year 1, or 1970: a field that was never filled in)
            self._log("currentTime %s ignored" % text)

    async def _wait_triggered(self):
        # The next BootNotification comes when its time has come, whatever became of the connection
        # meanwhile, or when it is asked for; while Pending the Central System may ask for other
        # messages too (4.2).
        while (time.ticks_ms() - self._asked_ms) & 0x3FFFFFFF < self._pause_s * 1000:
            if self._triggers and self.boot != "Rejected":
                if self._triggers[0][0] == "BootNotification":
                    self._triggers.pop(0)
                    break
                if self.boot:
                    await self._say_triggered()
            await asyncio.sleep_ms(200)
        await self._boot_notification()

    async def _heartbeats(self):
        # Counted over reconnects: after hours without one the clock needs it.
        while True:
            await asyncio.sleep(1)
            if self._station.news:
                self._wake.set()  # (one may have lasted long enough)
            now_ms = time.ticks_ms()
            period_ms = self._settings.value("heartbeat_s") * 1000
            if self.boot == "Accepted" and (now_ms - self._beat_ms) & 0x3FFFFFFF >= period_ms:
                self._beat_ms = now_ms
                try:
                    await self._heartbeat()
                except OSError:
                    return  # of the connection: talk() ends too
                except MemoryError:
                    self._log("no memory for a heartbeat")

    async def _heartbeat(self):
        conf = await self._ask("Heartbeat", {})
        if conf:
            self._set_clock(conf)

    async def _say_one(self):
        # Send the most urgent message; False if there is none. What was not answered the last time
        # comes after the transactions: it may take its time again.
        station = self._station
        ask = station.next_ask()
        if ask:
            await self._authorize(ask)
        elif self._triggers:
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
        readings = self._station.readings
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
        news = self._station.news
        least_s = self._settings.value("status_s")
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
        action, number = self._triggers.pop(0)
        if action == "Heartbeat":
            return await self._heartbeat()
        if action == "BootNotification":
            return await self._boot_notification()
        if action in _IDLE:
            return await self._ask(action, {"status": "Idle"})
        if action == _STATUS and not number:
            await self._own_status()
        for c in self._station.connectors:
            if number in (None, c.number) or number == 0 and action == _METER:
                if action == _METER:
                    take = self._station.metering.take
                    s = take(c, self._now(), "sampled", metering.TRIGGER)
                    await self._ask(_METER, _messages().meter_values(c.number, c.tx, s))
                else:
                    await self._status_notification(self._station.notice(c, self._now()))

    async def _own_status(self):
        # Of connector 0, the charge point itself.
        await self._status_notification(self._station.notice(None, self._now()), self.info)
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
        if not notice.number and not info and self._station.policy:
            info = self._station.policy.fault
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
        if self._station.policy:
            self._station.policy.on_data_transfer(request, answer, self._station)

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
                if not self._refused and self._station.local().offline(tag):
                    status = "Accepted"
            if status == "Accepted":
                self._station.authorised(ask, parent)
            else:
                self._log("tag %s not accepted: %s" % (tag, status))

    def _heard(self, tag, conf):
        # (status, parentIdTag or None) of a confirmation; what it says of `tag` is remembered. A
        # status that cannot be read is None; who is accepted until nobody knows when, only now.
        info = conf.get("idTagInfo") or {}
        status, parent = info.get("status"), info.get("parentIdTag")
        until = info.get("expiryDate", "")
        if status and (until is not None or status != "Accepted"):
            self._station.local().heard(tag, status, parse_iso(until) if until else None, parent)
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
            most = self._settings.value("attempts")
            silences = len(tries) // 2
            if conf is not None or self._refused:
                self._attempts += 1
            elif kind == journal.SAMPLE and self._rpc.answered and self._rpc.unanswered < 2:
                # (something was answered since the try before)
                if once or silences >= max(most, _SILENT):
                    self._deaf = True
                    self._attempts = most
            if self._attempts < most:
                retry_s = self._settings.value("retry_s")
                retry_s = min(max(self._attempts, 1) * retry_s, _LONGEST_s)
                self._held = asyncio.create_task(self._release(retry_s))
                return
            self._log("%s given up after %d attempts" % (action, silences or most))
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
        if not self._station.running(number):
            self._log("transaction %d too for the start of %d: ended" % (number, others[2]))
            others.append(number)
            _messages().end_twin(self._station.journal, others[1], number)
            self._wake.set()

    def _over(self, conf):
        # The journal's head, or an earlier try of it, was answered; True if that is its end: a
        # start wants an id.
        kind, tx, _ = self._station.journal.head()
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
        kind, tx, _ = self._station.journal.head()
        if kind == journal.START and tx.id is not None and self._tries:
            self._others = [self._tries, tx, tx.id]
        else:
            self._tries.clear()
        self._tries = []
        self._station.journal.done()
        self._wake.set()

    async def _release(self, pause_s):
        await asyncio.sleep(pause_s)
        self._held = None
        self._wake.set()

    def _started(self, tx, conf):
        # What StartTransaction.conf says; True if that is an id too.
        station = self._station
        status, parent = self._heard(tx.token, conf)
        number = conf.get("transactionId")
        if number is None and not status:
            return False
        tx.group = parent or tx.group
        tx.denied = status != "Accepted"
        station.journal.answered(tx, number)
        c = station.connectors[tx.connector - 1]
        if tx.denied and c.tx is tx:
            self._log("connector %d: tag %s is %s" % (c.number, tx.token, status))
            if self._settings.value("stop_refused"):
                c.stop(states.REFUSED)
        return number is not None


def _messages():
    # Not kept: 600 bytes that a message in a minute needs, and none without a transaction.
    return lazy.load("ocpp.v16.messages")


def _is_tag(tag):
    # CiString20 that can be sent back as it came; an empty one is nobody's.
    # (By bytes: MicroPython interns each character that is taken out of a text, for ever.)
    return tag and all([32 <= b < 127 for b in tag.encode("utf-8", "surrogatepass")])
