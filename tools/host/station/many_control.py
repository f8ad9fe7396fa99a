"""The control port of many stations: a line begins with the id of one of them, or with `all`."""

import asyncio

from host.station.control import HELP, CommandError, Control

MANY_HELP = (
    """commands on the control port of many stations, one a line; each is answered by one JSON object:
  ID COMMAND ...    to the station ID, which answers as if it were alone
  all COMMAND ...   to all of them; the answer has theirs by their ids
  list              what each is: "waits" for its start, "runs", "no power", "ended"
  help  quit        quit ends all; ID quit one

"""  # noqa: E501
    + HELP
)


class ManyControl(Control):
    """Who is meant decides here; what it does, that station's own Control."""

    def __init__(self, many):
        self.many = many

    async def answer(self, line):
        name, _, rest = line.strip(b"\r\n").lstrip().partition(b" ")
        name = name.decode(errors="replace")
        if name in self.many.stations:
            return await self._tell(name, rest)
        if name == "all":
            names = list(self.many.stations)
            answers = await asyncio.gather(*(self._told(name, rest) for name in names))
            return dict(zip(names, answers, strict=True))
        if rest.strip():
            raise CommandError(f"{name}: no such station; try list")
        if name == "list":
            return {"stations": {name: self._is(name) for name in self.many.stations}}
        if name == "help":
            return {"help": MANY_HELP.splitlines()}
        if name != "quit":
            raise CommandError(f"{name}: ID COMMAND or all COMMAND; try help")
        self.many.over.set()
        return {"ok": True}

    def _is(self, name):
        if name in self.many.ended:
            return "ended"
        if name not in self.many.begun:
            return "waits"
        return "runs" if self.many.stations[name].powered else "no power"

    async def _tell(self, name, line):
        what = self._is(name)
        if what in ("ended", "waits"):
            raise CommandError(
                f"{name}: it {'has ended' if what == 'ended' else 'waits to start'}"
            )
        return await self.many.stations[name].control.answer(line)

    async def _told(self, name, line):
        try:
            return await self._tell(name, line)
        except ValueError as e:
            return {"error": str(e)}
