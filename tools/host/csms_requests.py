"""The commands of tools/csms that ask a station for something."""

import asyncio
import json
from pathlib import Path

from host.csms import parse_time
from host.csms_certificates import Certificates
from host.csms_files import Files
from host.csms_lists import Lists, fields
from host.csms_profiles import CommandError, find_file, load_profile
from host.csms_show import plot
from host.csms_update import Updates

# Answers that mean "done"; any other status fails a script.
_DONE = ("Accepted", "RebootRequired", "Scheduled", "Unlocked")


def number(text, what):
    try:
        return int(text)
    except ValueError:
        raise CommandError(f"{what} must be a whole number, not {text!r}") from None


class Requests(Lists, Updates, Files, Certificates):
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

    async def station(self, patience=None):
        """The station that commands go to."""

        def find():
            stations = self.central.stations
            if self.chosen:
                return stations.get(self.chosen)
            return next(iter(stations.values())) if len(stations) == 1 else stations

        try:
            found = await self.central.until(find, patience or self.patience)
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
            if one["stop"] is None and connector in (None, 0, one["connectorId"]):
                return one
        return None

    async def request(self, action, payload, station=None):
        """Send a request to the station; the answer."""
        station = station or await self.station()
        self.marks[station.id] = (station.mark(), set())
        return await station.call(action, payload, timeout=30)

    async def ask(self, action, payload, station=None):
        """Send a request whose answer is a status; True if that is a refusal."""
        status = (await self.request(action, payload, station)).get("status")
        self.show(f"{action}: {status}")
        return status not in _DONE

    async def do_profile(self, file, connector=None):
        station = await self.station()
        connector = None if connector is None else number(connector, "connector")
        running = self.running(station, connector)
        path = find_file(file, self.folder)
        request = load_profile(path, self.central.now(), running, connector)
        return await self.ask("SetChargingProfile", request, station)

    async def do_clear(self, *filters):
        names = {
            "id": "id",
            "connector": "connectorId",
            "purpose": "chargingProfilePurpose",
            "level": "stackLevel",
        }
        usage = "usage: clear [id=N] [connector=N] [purpose=P] [level=N]"
        payload = {}
        for name, value in fields(filters, names, usage).items():
            payload[names[name]] = value if name == "purpose" else number(value, name)
        await self.ask("ClearChargingProfile", payload)  # Unknown: nothing to clear, no failure

    async def do_composite(self, connector, duration, unit=None):
        payload = {
            "connectorId": number(connector, "connector"),
            "duration": number(duration, "duration"),
        }
        if unit:
            payload["chargingRateUnit"] = unit.upper()
        answer = await self.request("GetCompositeSchedule", payload)
        self.show(f"GetCompositeSchedule: {answer.get('status')}")
        if "chargingSchedule" in answer:
            try:
                begin = parse_time(answer["scheduleStart"])
            except (KeyError, ValueError):
                begin = self.central.now()
            for line in plot(answer["chargingSchedule"], begin):
                self.show(line)
        return answer.get("status") != "Accepted"

    async def do_remote_start(self, tag, *words):
        payload = {"idTag": tag}
        words = list(words)
        if words and words[0] != "profile":
            payload["connectorId"] = number(words.pop(0), "connector")
        if words:
            if len(words) != 2:
                raise CommandError("usage: remote-start TAG [connector] [profile FILE]")
            path = find_file(words[1], self.folder)
            connector = payload.get("connectorId", 1)
            request = load_profile(path, self.central.now(), None, connector, remote_start=True)
            profile = request["csChargingProfiles"]
            if profile["chargingProfilePurpose"] != "TxProfile":
                raise CommandError(f"{path}: RemoteStartTransaction takes a TxProfile only")
            payload["chargingProfile"] = profile
        return await self.ask("RemoteStartTransaction", payload)

    async def do_remote_stop(self, transaction=None):
        station = await self.station()
        running = self.running(station)
        if transaction is None and running is None:
            raise CommandError("no transaction is running")
        id = running["transactionId"] if transaction is None else number(transaction, "id")
        return await self.ask("RemoteStopTransaction", {"transactionId": id}, station)

    async def do_reset(self, kind):
        return await self.ask("Reset", {"type": kind.capitalize()})

    async def do_get_config(self, *keys):
        answer = await self.request("GetConfiguration", {"key": list(keys)} if keys else {})
        for entry in answer.get("configurationKey", ()):
            mark = "  (read only)" if entry.get("readonly") else ""
            self.show(f"{entry.get('key')} = {entry.get('value', '')}{mark}")
        unknown = answer.get("unknownKey", ())
        if unknown:
            self.show(f"unknown: {', '.join(unknown)}")
        return bool(unknown)

    async def do_set_config(self, key, value):
        return await self.ask("ChangeConfiguration", {"key": key, "value": value})

    async def do_trigger(self, action, connector=None):
        payload = {"requestedMessage": action}
        if connector is not None:
            payload["connectorId"] = number(connector, "connector")
        return await self.ask("TriggerMessage", payload)

    async def do_extended_trigger(self, action, connector=None):
        payload = {"requestedMessage": action}
        if connector is not None:
            payload["connectorId"] = number(connector, "connector")
        return await self.ask("ExtendedTriggerMessage", payload)

    async def do_unlock(self, connector):
        return await self.ask("UnlockConnector", {"connectorId": number(connector, "connector")})

    async def do_availability(self, connector, kind):
        payload = {"connectorId": number(connector, "connector"), "type": kind.capitalize()}
        return await self.ask("ChangeAvailability", payload)

    async def do_clear_cache(self):
        return await self.ask("ClearCache", {})

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
