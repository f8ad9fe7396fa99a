"""The commands of tools/csms about who may charge: the local list of a station, reservations."""

from datetime import timedelta

from host.csms.frames import format_time
from host.csms_profiles import CommandError, find_file

STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
_REMOVE = "remove"
_PIECE = 20  # tags in a message to a station that does not say how many it takes


def one_of(word, words):
    for one in words:
        if one.lower() == word.lower():
            return one
    raise CommandError(f"{word!r} is none of {', '.join(words)}")


def fields(words, names, usage):
    """{name: text} of words NAME=TEXT."""
    found = dict(word.partition("=")[::2] for word in words)
    if len(found) < len(words) or not all(found.get(name) for name in found):
        raise CommandError(usage)
    if unknown := set(found) - set(names):
        raise CommandError(f"{', '.join(sorted(unknown))}: {usage}")
    return found


def load_list(path):
    """The AuthorizationData of a file, a line each: TAG STATUS [until=TIME] [parent=TAG]."""
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            if len(words) < 2:
                raise CommandError("TAG STATUS [until=TIME] [parent=TAG]")
            status = one_of(words[1], STATUSES + (_REMOVE,))
            usage = "until=TIME and parent=TAG may follow"
            more = fields(words[2:], ("until", "parent"), usage)
        except CommandError as error:
            raise CommandError(f"{path}, line {number}: {error}") from None
        entry = {"idTag": words[0]}
        if status != _REMOVE:
            entry["idTagInfo"] = {"status": status}
            for name, field in (("until", "expiryDate"), ("parent", "parentIdTag")):
                if name in more:
                    entry["idTagInfo"][field] = more[name]
        entries.append(entry)
    return entries


class Lists:
    """A part of csms_requests.Requests."""

    async def do_list_version(self):
        version = (await self.request("GetLocalListVersion", {})).get("listVersion")
        meaning = {0: "  (no list)", -1: "  (not supported)"}.get(version, "")
        self.show(f"GetLocalListVersion: {version}{meaning}")

    async def do_send_list(self, file, *words):
        kinds = [word for word in words if word.lower() in ("full", "differential")]
        numbers = [word for word in words if word.isdigit()]
        if len(kinds) > 1 or len(numbers) > 1 or len(words) > len(kinds) + len(numbers):
            raise CommandError("usage: send-list FILE [full|differential] [VERSION]")
        station = await self.station()
        kind = kinds[0].capitalize() if kinds else "Full"
        entries = load_list(find_file(file, self.folder))
        if kind == "Full" and any("idTagInfo" not in entry for entry in entries):
            raise CommandError("a full list has nothing to remove: send-list FILE differential")
        there = (await self.request("GetLocalListVersion", {}, station)).get("listVersion", 0)
        version = int(numbers[0]) if numbers else max(there, 0) + 1
        most = await self._list_length(station)
        pieces = [entries[at : at + most] for at in range(0, len(entries), most)] or [[]]
        for piece in pieces:
            payload = {"listVersion": version, "updateType": kind, "localAuthorizationList": piece}
            status = (await self.request("SendLocalList", payload, station)).get("status")
            self.show(f"SendLocalList: {kind} {version}, {len(piece)} tags: {status}")
            if status != "Accepted":
                return True
            kind, version = "Differential", version + 1
        return False

    async def _list_length(self, station):
        key = "SendLocalListMaxLength"
        answer = await self.request("GetConfiguration", {"key": [key]}, station)
        for entry in answer.get("configurationKey", ()):
            if entry.get("key") == key and entry.get("value", "").isdigit():
                return max(int(entry["value"]), 1)
        return _PIECE

    async def do_reserve(self, tag, minutes, *words):
        usage = "usage: reserve TAG MINUTES [connector] [id=N] [parent=TAG]"
        words = list(words)
        connector = words.pop(0) if words and "=" not in words[0] else "1"
        more = fields(words, ("id", "parent"), usage)
        try:
            end = self.central.now() + timedelta(minutes=float(minutes))
            payload = {
                "connectorId": int(connector),
                "expiryDate": format_time(end),
                "idTag": tag,
                "reservationId": int(more.get("id", 1)),
            }
        except ValueError:
            raise CommandError(usage) from None
        if "parent" in more:
            payload["parentIdTag"] = more["parent"]
        return await self.ask("ReserveNow", payload)

    async def do_cancel_reservation(self, id):
        try:
            payload = {"reservationId": int(id)}
        except ValueError:
            raise CommandError("usage: cancel-reservation ID") from None
        return await self.ask("CancelReservation", payload)
