"""The commands of tools/csms about who may charge: the local list of a station, reservations."""

from datetime import timedelta

from host.csms_profiles import CommandError, fields, find_file
from host.csms_show import reason

STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
# Those that OCPP 2.0.1 has besides.
MORE_STATUSES = "NoCredit", "NotAllowedTypeEVSE", "NotAtThisLocation", "NotAtThisTime", "Unknown"
_REMOVE = "remove"
_PIECE = 20  # tags in a message to a station that does not say how many it takes


def one_of(word, words):
    for one in words:
        if one.lower() == word.lower():
            return one
    raise CommandError(f"{word!r} is none of {', '.join(words)}")


def load_list(path):
    """The tags of a file, a line each: TAG STATUS [until=TIME] [parent=TAG], or TAG remove; as
    [(tag, status or None, {name: text})]."""
    entries = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            if len(words) < 2:
                raise CommandError("TAG STATUS [until=TIME] [parent=TAG]")
            status = one_of(words[1], (*STATUSES, *MORE_STATUSES, _REMOVE))
            usage = "until=TIME and parent=TAG may follow"
            more = fields(words[2:], ("until", "parent"), usage)
        except CommandError as error:
            raise CommandError(f"{path}, line {number}: {error}") from None
        entries.append((words[0], None if status == _REMOVE else status, more))
    return entries


class Lists:
    """A part of csms_requests.Requests."""

    async def do_list_version(self):
        version = await self._list_version(await self.station())
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
        if kind == "Full" and not all(status for _, status, _ in entries):
            raise CommandError("a full list has nothing to remove: send-list FILE differential")
        there = await self._list_version(station)
        version = int(numbers[0]) if numbers else max(there, 0) + 1
        dialect = self.dialects[station.language]
        most = await self._list_length(station)
        pieces = [entries[at : at + most] for at in range(0, len(entries), most)] or [[]]
        for piece in pieces:
            answer = await self.request(*dialect.send_list(version, kind, piece), station)
            status = answer.get("status")
            what = f"{kind} {version}, {len(piece)} tags"
            self.show(f"SendLocalList: {what}: {status}{reason(answer)}")
            if status != "Accepted":
                return True
            kind, version = "Differential", version + 1
        return False

    async def _list_version(self, station):
        answer = await self.request("GetLocalListVersion", {}, station)
        return answer.get(self.dialects[station.language].list_version, 0)

    async def _list_length(self, station):
        dialect = self.dialects[station.language]
        action, payload = dialect.get_config([dialect.list_length])
        known, _ = dialect.config(await self.request(action, payload, station))
        value, _ = known.get(dialect.list_length, ("", True))
        return max(int(value), 1) if value.isdigit() else _PIECE

    async def do_reserve(self, tag, minutes, *words):
        usage = "usage: reserve TAG MINUTES [connector] [id=N] [parent=TAG]"
        words = list(words)
        connector = words.pop(0) if words and "=" not in words[0] else "1"
        more = fields(words, ("id", "parent"), usage)
        try:
            end = self.central.now() + timedelta(minutes=float(minutes))
            numbers = int(more.get("id", 1)), int(connector)
        except ValueError:
            raise CommandError(usage) from None
        return await self.ask("reserve", numbers[0], tag, end, numbers[1], more.get("parent"))

    async def do_cancel_reservation(self, id):
        try:
            payload = {"reservationId": int(id)}
        except ValueError:
            raise CommandError("usage: cancel-reservation ID") from None
        return await self.ask_plain("CancelReservation", payload)
