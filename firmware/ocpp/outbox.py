"""What the charge point tells by itself, most urgent first; a version's messages.py says it."""

import asyncio
from micropython import const

from firmware import lazy
from firmware.ocpp import schema
from firmware.ocpp.delivery import Delivery
from firmware.ocpp.registration import Registration
from firmware.ocpp.rpc import CallError

_ACCEPTED = const(0)  # of `boot`
_REJECTED = const(2)
_DUE = const(3)  # of Transaction.needs


class Outbox:
    """boot: what was answered to it: 0 accepted, 1 not yet, 2 rejected, or None; refused: why the
    latest message has no answer; notify(): there may be something to tell; log(line). `identity`:
    what the boot message says; `info`, of this start, or "", goes with the next own notice.
    Of long jobs (jobs.py): running, by action: (status, name, task); news: (action, status)s;
    tales: of what is told in several messages, lists: jobs.begin.
    alerts: what watches the unit for the Central System, or None: its queue, poll(passed_ms)."""

    def __init__(self, station, rpc, settings, identity, info, log):
        self.station, self.rpc, self.settings, self.log = station, rpc, settings, log
        self.identity, self.info = identity, info
        self._wake = asyncio.Event()
        self.notify = station.notify = self._wake.set
        rpc.note = self.note
        self.running, self.news, self.tales, self._triggers = {}, [], [], []
        self.refused, self._silent = False, []  # actions whose latest message was not answered
        self.boot = self._noted = self._package = self._slot = None
        self._said, self._gone_s = {}, 0  # (state, fault) by connector; when nobody heard any more
        self.delivery = Delivery(self)
        self.registration = Registration(self)
        self.use(None)

    def use(self, protocol):
        """From now on as `protocol`, which was picked, says; None: nothing was picked yet, so as
        the latest one that was, over every reboot, if that is offered."""
        packages, offered = lazy.load("ocpp.versions").PACKAGES, self.settings.config.protocols
        names = [name for name, _ in packages]
        if protocol:
            self.settings.put("spoken", len(names) - 1 - names.index(protocol))
        else:
            protocol = names[-1 - self.settings.value("spoken")]
            protocol = protocol if protocol in offered else offered[0]
        before, self._package = self._package, dict(packages)[protocol]
        if self._package != before:  # (nothing was told in this one yet; nor has it those words)
            self.boot = None
            messages = self.module("messages")
            hears = hasattr(messages, "heed")
            self.station.heed = (lambda notice: _heed(self, notice)) if hears else None
            self.alerts = messages.alerts(self) if hears else None
            self._triggers.clear()
            self.news.clear()
        if (self._package, self.settings.slot) != (before, self._slot):  # who has heard nothing
            self._slot = self.settings.slot
            self._said.clear()
            self.tales.clear()
        schema.use(self.module("shapes"))
        actions = self.module("messages").ACTIONS
        self._boots, self.beats, self._notice, self._sample, self._needed = actions[:-1]
        self.station.journal.wanted = actions[-1]
        self.station.metering.unsaid = self.module("messages").UNSAID
        if before not in (None, self._package):
            self.delivery.moved()
            lazy.load("ocpp.jobs").carry_on(self)

    def module(self, name):
        """That of the version spoken. Not to be kept: seldom code is worth more as heap."""
        return lazy.load("%s.%s" % (self._package, name))

    def message(self, name, *args):
        """Of that function in messages.py: who waits would keep the module on their stack."""
        return getattr(self.module("messages"), name)(*args)

    def ready(self):
        """True if the Central System has accepted this unit."""
        return self.boot == _ACCEPTED

    def note(self, event, text, every_s):
        """A security event (station/security.py) that was met here: one a kind in so many s."""
        minute = self.station.clock.now() // 60 * 32 + event
        try:
            if not every_s or minute != self._noted:  # (no look at the flash for each of many)
                self._noted = minute
                lazy.load("station.security").note(self.station, event, text, every_s)
        except MemoryError:
            pass

    def trigger(self, action, number):
        """Say that, of connector `number` (None: all), once the answer has left; False: full."""
        if len(self._triggers) >= 8:
            return False
        self._triggers.append((action, number))
        self.rpc.after = self.notify
        return True

    async def talk(self):
        """While a connection is up: boot until that is accepted, then what is due."""
        station, told = self.station, False
        self.delivery.again()
        if self.boot is None:  # a mere reconnect is no boot (OCPP-J 1.6, 5.4)
            await self.registration.boot()
        beating = asyncio.create_task(self.registration.heartbeats())
        try:
            while True:
                self._wake.clear()
                station.online = self.ready()
                if not station.online:
                    told = False
                    self._said.clear()
                    await self._wait_triggered()
                elif not told:
                    while not all([c.settled() for c in station.connectors]):
                        await asyncio.sleep_ms(100)
                    told = True
                    await lazy.load("ocpp.jobs").present(self, self._said, self._gone_s)
                elif not await self._say_one():
                    await self._wake.wait()
        finally:
            self._gone_s = station.clock.now()
            station.offline()
            beating.cancel()

    async def ask(self, action, payload, tries=None):
        """The confirmation, or None where the Central System refused or did not answer."""
        self.refused = False
        try:
            brief = () if action in self._needed else self._silent
            conf = await self.rpc.call(action, payload, brief, tries)
        except CallError as e:
            conf, self.refused = None, True
            self.log("%s failed: %s %s" % (action, e.code, e.description))
        except asyncio.TimeoutError:
            if action not in self._silent:
                self._silent.append(action)
            self.log("%s was not answered" % action)
            # (link.py ends the connection after the third: is it the action, or everything?)
            if self.rpc.unanswered == 2 and self.ready() and action != self.beats:
                await self.registration.beat()
            self.refused = False  # (another task's may have been, meanwhile)
            return None
        if action in self._silent:
            self._silent.remove(action)
        return conf

    async def _wait_triggered(self):
        # The next boot message comes in its time, whatever became of the connection, or when it is
        # asked for; while Pending the Central System may ask for other messages too (4.2).
        triggered = False
        while self.registration.waits():
            if self._triggers and self.boot != _REJECTED:
                if triggered := self._triggers[0][0] == self._boots:
                    self._triggers.pop(0)
                    break
                if self.boot is not None:
                    await lazy.load("ocpp.jobs").say(self, *self._triggers.pop(0))
            elif self.tales and self.boot not in (None, _REJECTED):
                await lazy.load("ocpp.jobs").go_on(self, self._silent)
                continue
            await asyncio.sleep_ms(200)
        await self.registration.boot(triggered)

    async def _say_one(self):
        """Send the most urgent message; False: there is none. Slow ones wait for transactions."""
        station = self.station
        ask = station.next_ask()
        if ask:
            await lazy.load("ocpp.jobs").authorize(self, ask)
        elif self._triggers:
            await lazy.load("ocpp.jobs").say(self, *self._triggers.pop(0))
        elif await _say_other(self, False):
            pass
        elif self.alerts and self.alerts.queue:
            await lazy.load("ocpp.jobs").alert(self, self._silent)
        elif self.news:
            await lazy.load("ocpp.jobs").tell(self, self._silent)
        elif self.tales:
            await lazy.load("ocpp.jobs").go_on(self, self._silent)
        elif station.untold == 1:  # (there are not many: a log of 8 KB)
            await lazy.load("ocpp.jobs").security(self, self._silent)
        elif station.journal.head() and not self.delivery.waits():
            await self.delivery.tell(*station.journal.head())
        elif station.update and station.update.news:
            await lazy.load("ocpp.jobs").tell_update(self, station.update, self._silent)
        elif station.reservations and station.reservations.over:
            await lazy.load("ocpp.jobs").tell_over(self, station.reservations, self._silent)
        elif await _say_other(self, True):
            pass
        elif station.untold:
            await lazy.load("ocpp.jobs").security(self, self._silent)
        elif station.transfers:
            await lazy.load("ocpp.jobs").transfer(self)
        else:
            for c in station.connectors if station.journal.wanted else ():
                # (who wants states has words for what cars need too, once the start was told)
                if c.tx and c.tx.needs & _DUE and c.tx.told:
                    await self.module("needs").tell(self, c, self._silent)
                    return True
            return False
        return True

    async def say(self, notice, before=None):
        """Tell a Notice; `before`: (state, fault) that was told before, for what looks alike."""
        info = None
        if not notice.number:  # of the charge point itself
            info = self.info or self.station.policy and self.station.policy.fault
        message = self.message("notice", notice, self.identity, info, before)
        # (not every version has one of the station itself)
        if message and await self.ask(*message) is not None:
            self._said[notice.number] = notice.state, notice.fault
        if not notice.number:
            self.info = None


def _heed(outbox, notice):
    # A Notice has been made: is there a fault in it to be told?
    try:
        if outbox.alerts:
            outbox.alerts.heed(notice)
        elif notice.fault:
            outbox.message("heed", outbox, notice)
    except MemoryError:  # (the task that has made it must not end)
        outbox.log("no memory to tell fault %d" % notice.fault)


async def _say_other(self, silent):
    # Notices, and samples of no transaction, if that action is `silent` or not; and once, not
    # silent, limits from outside.
    station, slow = self.station, self._notice in self._silent
    outside, who = station.sharing.outside, (self._package, self.settings.slot)
    least_s = self.settings.value("status_s")
    if slow is silent and (notice := _stable(station, least_s, slow)):
        await self.say(notice, self._said.get(notice.number))
    elif (self._sample in self._silent) is silent and station.samples:
        number, sample = station.samples.pop(0)
        await self.ask(*self.message("samples", number, None, sample))
    elif not silent and outside and outside.news(who):
        await lazy.load("ocpp.jobs").limit(self, outside, who, self._silent)
    else:
        return False
    return True


def _stable(station, least_s, slow):
    # The next notice to tell, or None. One that was left again within `least_s` is not told (9.1);
    # a fault is told at once. Who takes their time (`slow`) hears of the present.
    news, now_s = station.news, station.clock.now()
    at = 0
    while at < len(news):
        notice, t = news[at], news[at].time_s
        after = [later.time_s for later in news[at + 1 :] if later.number == notice.number]
        if after and (slow or after[0] - t < least_s):
            news.pop(at)
        elif after or notice.fault or not 0 <= now_s - t < least_s:
            return news.pop(at)
        else:
            at += 1
    return None
