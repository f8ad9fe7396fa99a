"""The control port: what a person, or a test, does to the wall and at the plug."""

import asyncio
import inspect
import json
import re
import shlex

from host.station.chip import AIR
from sim.car import FAULTS
from sim.faults import WALL_FAULTS, happen, unseen

FAULT_NAMES = (*FAULTS, *WALL_FAULTS)
ENDS = (["ev"], ["station"])  # of a cable
CARD = (
    "card [UID [S ...]]: 4, 7 or 10 bytes in hex; without UID it is taken away; S: seconds that it"
    " lies there, is away, lies there, ..."
)
DIMMED = {"on": True, "off": False, "chatter": None}
# What `ev` sets, each an attribute of sim/car.py.
EV = {
    "max_mA": range(80001),
    "phases": range(1, 4),
    "cable_ohm": range(5001),
    "left_Wh": range(1000001),
}
PRESS_ms, PRESS_LONG_ms = 500, 5000  # on the button, simulated

# Of what is done to the whole station: how many words at most.
WORDS = {"power-cut": 1, "speed": 1, "escort": 1, "state": 0, "gauge": 0, "help": 0, "quit": 0}

HELP = (
    """commands on the control port, one a line; each is answered by one JSON object:
  plug [C]  unplug [C]  ready [C]  pause [C]     the car at connector C (1 if not said)
  plug ev|station [C]  unplug ev|station [C]     one end of its cable: in the car, in the socket
  tag IDTAG [C]                                  a person presents a card: its idTag is known;
                                                 without C it goes where its car does
  card [UID [S ...]]                             a card lies on the reader; none: it is taken away;
                                                 S: it lies there so long, is away, is back, ...
  needs ENERGY kWh|Wh [DEPARTURE] [C]            what the car needs: 07:30 (UTC), a date-time,
                                                 or - if unknown; its transaction runs
  press [long] [C]                               the button
  dim on|off|chatter                             the grid operator's contact, of a board with DIM
  outside AMPERES|off ...                        a limit from outside the Central System, as on the
                                                 console (docs/console.md)
  ev max_mA=16000 phases=3 cable_ohm=220 [C]     what the car can take, what its cable says
  ev left_Wh=20000 [C]                           what its battery still takes (at first: no end)
  fault NAME [C]  clear NAME [C]                 """
    + ", ".join(FAULT_NAMES)
    + """
  wifi SSID on|off|locked|no-dhcp|REASON         a network is there, or not, or refuses the
                                                 password, or gives no address, or the chip says
                                                 that number of why not; on until told
  console LINE                                   typed on the firmware's own console, which
                                                 answers where this process prints
  power-cut [off_s]                              power fails at once, for off_s seconds
  speed N                                        simulated seconds per second, from now on
  escort S                                       simulated time waits for you: it goes on for S
                                                 seconds at most, until you say it again; answers
                                                 how many ms of it have passed
  gauge                                          CPU time (us) that the firmware's longest step
                                                 took, and its tick waited; world time (ms) of
                                                 steps and ticks; since the last gauge
  state  help  quit"""
)


class CommandError(ValueError):
    """A command that cannot be carried out; the text says why and what would be right."""


def number(text):
    """The number that `text` is; -1 if it is none."""
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else -1


class Control:
    """The commands to a Station: do_NAME(words) carries one out; -> what it answers, or None."""

    HELP, WORDS = HELP, WORDS

    def __init__(self, station):
        self.station = station
        self.wall, self.panel = station.world.wall, station.world.panel

    async def listen(self, port):
        """-> the server, the port that it has"""
        server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        return server, server.sockets[0].getsockname()[1]

    async def _serve(self, reader, writer):
        try:
            while True:
                try:
                    line = await reader.readline()
                    if not line:
                        break
                    answer = await self.answer(line)
                except ValueError as e:  # CommandError, and a line longer than readline takes
                    answer = {"error": str(e)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):  # (cancelled: the station ends)
            pass
        finally:
            writer.close()

    async def answer(self, line):
        """Carry out one line of bytes; -> what there is to say. Raises CommandError."""
        name, _, typed = line.strip(b"\r\n").partition(b" ")
        if name == b"console":  # as it is typed: not words as a shell has them
            self.need_power()
            self.station.board.type(typed + b"\r")
            return {"ok": True}
        try:
            words = shlex.split(line.decode())
        except UnicodeDecodeError:
            raise CommandError("not UTF-8") from None
        if not words:
            raise CommandError("no command; try help")
        name, words = words[0], words[1:]
        do = getattr(self, "do_" + name.replace("-", "_"), None)
        if not do or "_" in name:
            raise CommandError(f"{name}: no such command; try help")
        if len(words) > self.WORDS.get(name, len(words)):
            raise CommandError(f"{name}: too many words; try help")
        answer = do(words)
        if inspect.isawaitable(answer):
            answer = await answer
        return {"ok": True} if answer is None else answer

    # At the car and at the wall

    def outlet(self, words, at):
        """The outlet that word `at` names; 1 if there is none."""
        text = words[at] if len(words) > at else "1"
        if len(words) > at + 1:
            raise CommandError("too many words; try help")
        if not 1 <= number(text) <= len(self.wall.outlets):
            raise CommandError(f"connector {text}: there are 1 to {len(self.wall.outlets)}")
        return self.wall.outlets[number(text) - 1]

    def _cable(self, words):
        # The outlet, and which end is meant; None: both.
        end = words.pop(0) if words[:1] in ENDS else None
        outlet = self.outlet(words, 0)
        if end and "proximity" not in outlet.pins:
            raise CommandError(f"connector {outlet.number}: its cable is fixed, it has no socket")
        return outlet, end

    def do_plug(self, words):
        outlet, end = self._cable(words)
        outlet.car.plug(end)

    def do_unplug(self, words):
        outlet, end = self._cable(words)
        if end and not (outlet.car.in_car if end == "ev" else outlet.plugged):
            where = "car" if end == "ev" else "socket"
            raise CommandError(f"connector {outlet.number}: no plug is in the {where}")
        if not outlet.car.unplug(end):
            raise CommandError(f"connector {outlet.number}: the lock holds the plug")

    def do_ready(self, words, wants=True):
        car = self.outlet(words, 0).car
        if not car.plugged:
            raise CommandError("no car is plugged in")
        car.wants = wants

    def do_pause(self, words):
        self.do_ready(words, False)

    def do_tag(self, words):
        if not words or not 1 <= len(words[0]) <= 20:
            raise CommandError("tag IDTAG [C]: an idTag has 1 to 20 characters")
        connector = self.outlet(words, 1).number if len(words) > 1 else None
        return self.ask({"do": "tag", "tag": words[0], "connector": connector})

    def do_needs(self, words):
        number = self.outlet(words, 3).number
        return self.ask({"do": "needs", "words": words[:3], "connector": number})

    def do_dim(self, words):
        if len(words) != 1 or words[0] not in DIMMED:
            raise CommandError(f"dim {'|'.join(DIMMED)}")
        if not self.panel.dims:
            raise CommandError(f"board {self.station.args.unit['board']} has no contact DIM")
        self.wall.outlets[0].dimmed = DIMMED[words[0]]

    def do_outside(self, words):
        return self.ask({"do": "outside", "words": " ".join(words), "connector": 0})

    def do_ev(self, words):
        values = dict(w.split("=", 1) for w in words if "=" in w)
        if not values or [k for k in values if number(values[k]) not in EV.get(k, ())]:
            usage = (f"{key}={r.start}..{r.stop - 1}" for key, r in EV.items())
            raise CommandError(f"ev {' '.join(usage)} [C]")
        car = self.outlet([w for w in words if "=" not in w], 0).car
        for key, text in values.items():
            setattr(car, key, int(text))

    def do_card(self, words):
        if self.panel.reader is None:
            raise CommandError(f"board {self.station.args.unit['board']} has no reader; try tag")
        uid, turns = (words or [""])[0], words[1:]
        good = all(re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", s) for s in turns)
        if words and not (good and re.fullmatch("([0-9A-Fa-f]{2}){4,10}", uid)):
            raise CommandError(CARD)
        self.panel.lay(bytes.fromhex(uid), [round(float(s) * 1000) for s in turns])

    def do_press(self, words):
        long = words[:1] == ["long"]
        outlet = self.outlet(words[long:], 0)
        if "button" not in outlet.pins:
            raise CommandError(f"board {self.station.args.unit['board']} has no button")
        self.panel.of(outlet, "button").press(PRESS_LONG_ms if long else PRESS_ms)

    def do_fault(self, words, clear=False):
        if not words or words[0] not in FAULT_NAMES:
            name = "clear" if clear else "fault"
            raise CommandError(f"{name} NAME [C]: NAME is one of {', '.join(FAULT_NAMES)}")
        outlet = self.outlet(words, 1)
        happen(outlet, words[0], clear)
        part = unseen(words[0], outlet.pins)
        if part and not clear:
            note = f"board {self.station.args.unit['board']} has no {part} and sees nothing"
            return {"ok": True, "note": note}

    def do_clear(self, words):
        self.do_fault(words, True)

    def do_wifi(self, words):
        reason = AIR.get(words[1], number(words[1])) if len(words) == 2 else -1
        if not 0 <= reason <= 255:
            raise CommandError(f"wifi SSID {'|'.join(AIR)}|REASON")
        self.station.world.air[words[0]] = reason

    # At the station

    def need_power(self):
        if not self.station.powered:
            raise CommandError("the power is off")

    def ask(self, command):
        self.need_power()
        return self.station.board.ask(command)

    def do_power_cut(self, words):
        off_s = words[0] if words else "1"
        if not re.fullmatch(r"\d+(\.\d*)?|\.\d+", off_s) or float(off_s) > 86400:
            raise CommandError("power-cut [off_s]: 0 to 86400 seconds")
        self.station.power_cut(float(off_s))

    def do_speed(self, words):
        if not words or not 1 <= number(words[0]) <= 5000:
            raise CommandError("speed N: 1 to 5000")
        self.need_power()
        self.station.world.set_speed(int(words[0]))
        return self.ask({"do": "speed", "speed": int(words[0])})

    def do_escort(self, words):
        if not words or not 1 <= number(words[0]) <= 3600:
            raise CommandError("escort S: 1 to 3600 seconds")
        return {"ms": self.station.chip.escort(int(words[0]))}

    def do_state(self, words):
        return self.station.state()

    def do_gauge(self, words):
        return self.ask({"do": "gauge"})

    def do_help(self, words):
        return {"help": self.HELP.splitlines()}

    def do_quit(self, words):
        self.station.over.set()
