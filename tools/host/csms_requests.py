"""The commands of tools/csms that ask a station for something."""

import asyncio
import contextlib
import json
from pathlib import Path

from host.csms import V16, V201, parse_time
from host.csms_201 import dialects
from host.csms_certificates import Certificates
from host.csms_device import Device
from host.csms_files import Files
from host.csms_lists import Lists
from host.csms_profiles import (
    FIELDS,
    CommandError,
    find_file,
    load_profile,
    number,
    profile_filters,
)
from host.csms_show import place, plot, reason
from host.csms_update import Updates

_QUIET_s = 4  # so long nobody wonders what is waited for
_ANSWER_s = 30
# Answers that mean "done"; any other status fails a script.
_DONE = ("Accepted", "RebootRequired", "Scheduled", "Unlocked")


class Requests(Lists, Updates, Files, Certificates, Device):
    """do_NAME(*words): True if the station refused. `show` prints a line; `patience`: seconds to
    wait for a station to connect."""

    def __init__(self, central, show, patience=0):
        self.central = central
        self.show = show
        self.patience = patience
        self.folder = Path()  # of the script, where its files are looked for too
        self.chosen = None
        self.done = False
        self.marks = {}  # station id -> (messages before the last command, consumed by wait)
        self.dialects = dialects()

    async def station(self, patience=None):
        """The station that commands go to."""

        def find():
            stations = self.central.stations
            if self.chosen:
                return stations.get(self.chosen)
            return next(iter(stations.values())) if len(stations) == 1 else stations

        patience = patience or self.patience
        try:
            async with self.waiting(f"{self.chosen or 'a station'} to connect", patience):
                found = await self.central.until(find, patience)
        except asyncio.TimeoutError:
            which = self.chosen or "no station"
            raise CommandError(f"{which} is {'not ' if self.chosen else ''}connected") from None
        if isinstance(found, dict):
            several = ", ".join(found)
            raise CommandError(f"several stations are connected ({several}): station ID")
        return found

    def running(self, station, connector=None):
        """The running transaction of a station, the latest if there are several, or None."""
        for one in reversed(station.transactions.values()):
            if one["stop"] is None and connector in (None, 0, place(one)):
                return one
        return None

    async def request(self, action, payload, station=None):
        """Send a request to the station; the answer."""
        station = station or await self.station()
        self.marks[station.id] = (station.mark(), set())
        async with self.waiting(f"the answer to {action}", _ANSWER_s):
            return await station.call(action, payload, timeout=_ANSWER_s)

    @contextlib.asynccontextmanager
    async def waiting(self, what, timeout):
        """Say so when `what` has been waited for for some seconds, of `timeout`."""

        async def say():
            await asyncio.sleep(_QUIET_s)
            self.show(f"(waiting for {what}, {timeout - _QUIET_s:g} s more at most)")

        task = asyncio.ensure_future(say()) if timeout > _QUIET_s else None
        try:
            yield
        finally:
            if task:
                task.cancel()

    async def ask(self, name, *words, station=None, **named):
        """Send the request that function `name` of the dialect makes of `words`, whose answer is
        a status; True if that is a refusal."""
        station = station or await self.station()
        dialect = self.dialects[station.language]
        action, payload = getattr(dialect, name)(*words, **named)
        return self.told(action, dialect.status(await self.request(action, payload, station)))

    async def ask_plain(self, action, payload, station=None):
        """The same for a request that is the same in all languages."""
        return self.told(action, await self.request(action, payload, station))

    def told(self, action, answer):
        """Show a status that was answered; True if it is a refusal."""
        self.show(f"{action}: {answer.get('status')}{reason(answer)}")
        return answer.get("status") not in _DONE

    async def do_profile(self, file, connector=None):
        station = await self.station()
        connector = None if connector is None else number(connector, "connector")
        running = self.running(station, connector)
        path = find_file(file, self.folder)
        now = self.central.now()
        request = load_profile(path, now, running, connector, language=station.language)
        return await self.ask_plain("SetChargingProfile", request, station)

    async def do_clear(self, *filters):
        usage = "usage: clear [id=N] [connector=N] [purpose=P] [level=N]"
        # (Unknown: nothing to clear, no failure)
        await self.ask("clear", **profile_filters(filters, usage))

    async def do_composite(self, connector, duration, unit=None):
        station = await self.station()
        dialect = self.dialects[station.language]
        words = number(connector, "connector"), number(duration, "duration")
        action, payload = dialect.composite(*words, unit and unit.upper())
        answer = await self.request(action, payload, station)
        refused = self.told(action, answer)
        found = dialect.schedule(answer)
        if found:
            schedule, begin = found
            try:
                begin = parse_time(begin or "")
            except ValueError:
                begin = self.central.now()
            for line in plot(schedule, begin):
                self.show(line)
        return refused

    async def do_remote_start(self, tag, *words):
        station = await self.station()
        words, connector, profile = list(words), None, None
        if words and words[0] != "profile":
            connector = number(words.pop(0), "connector")
        if words:
            if len(words) != 2:
                raise CommandError("usage: remote-start TAG [connector] [profile FILE]")
            path = find_file(words[1], self.folder)
            words = path, self.central.now(), None, connector or 1, True, station.language
            profile = load_profile(*words)[FIELDS[station.language][1]]
            if profile["chargingProfilePurpose"] != "TxProfile":
                raise CommandError(f"{path}: remote-start takes a TxProfile only")
        return await self.ask("start", tag, connector, profile, station=station)

    async def do_remote_stop(self, transaction=None):
        station = await self.station()
        id = self.transaction_id(station, transaction)
        return await self.ask("stop", id, station=station)

    def transaction_id(self, station, text=None):
        """Of the running transaction; or the id that is meant: for a long one, the first
        characters will do."""
        if text is None:
            running = self.running(station)
            if running is None:
                raise CommandError("no transaction is running")
            return running["transactionId"]
        if station.language is V16:
            return number(text, "id")
        known = [id for id in station.transactions if str(id).startswith(text)]
        return known[0] if len(known) == 1 else text

    async def do_reset(self, kind):
        return await self.ask("reset", kind.lower())

    async def do_get_config(self, *names):
        station = await self.station()
        if station.language is V201 and not names:  # (all: that is a report)
            return await self.do_report("config")
        dialect = self.dialects[station.language]
        known, unknown = dialect.config(await self.request(*dialect.get_config(names), station))
        for name, (value, fixed) in known.items():
            self.show(f"{name} = {value}" + "  (read only)" * fixed)
        if unknown:
            self.show(f"unknown: {', '.join(unknown)}")
        return bool(unknown)

    async def do_set_config(self, name, value):
        return await self.ask("set_config", name, value)

    async def do_trigger(self, action, connector=None):
        connector = None if connector is None else number(connector, "connector")
        return await self.ask("trigger", action, connector)

    async def do_extended_trigger(self, action, connector=None):
        connector = None if connector is None else number(connector, "connector")
        return await self.ask("trigger", action, connector, extended=True)

    async def do_unlock(self, connector):
        return await self.ask("unlock", number(connector, "connector"))

    async def do_availability(self, connector, kind):
        return await self.ask("availability", number(connector, "connector"), kind)

    async def do_clear_cache(self):
        return await self.ask_plain("ClearCache", {})

    async def do_call(self, text):
        action, _, payload = text.partition(" ")
        if not action:
            raise CommandError("usage: call ACTION [JSON]")
        answer = await self.request(action, json.loads(payload or "{}"))
        self.show(f"{action}: {json.dumps(answer)}")

    async def do_raw(self, text):
        station = await self.station()
        self.marks[station.id] = (station.mark(), set())
        answer = await station.raw(text, timeout=30)
        if answer:
            self.show(json.dumps(answer))
