"""The serial console (docs/console.md): a line that a person types, from its first character to
what it does. App._console loads this for that line, and it the module of a command."""

import asyncio
import io
import sys
from micropython import const

from firmware import lazy, log

_TO_BEGIN = const(b"\r\x1b[K")  # of the line on the screen, and clear it
_LINE = const(512)  # bytes
_PIECE = const(100)  # characters at a time

# (Short texts are names, and dear: docs/memory.md. So those of other modules are used again.)

# Module, then what help says: usage, a colon, what it does. Without [connector] it is all of them.
_TABLE = (
    "status status [connector]: the station, and every connector in a few words",
    "status session [connector]: transactions, and tags that wait for a car",
    "status faults [connector]: what is wrong, and what each part of the hardware says",
    "status clear [connector]: faults that wait for a person",
    "status tasks: what runs, and when it is next due",
    "status heap: memory, flash and the table of names",
    "limits limit [connector]: who decides the limit, every source, what comes next",
    "limits profiles: the charging profiles, * those in force",
    "limits outside [amperes|off] [...]: limits from outside the Central System: what holds, or a"
    " new one: outside 10 until 18:00 (UTC); outside 10 for 60 else 6; outside off",
    "limits composite [number] [duration_s] [A|W]: the composite schedule as a picture; 0: all",
    "needs needs energy kWh|Wh [departure] [connector]: what its car needs; 07:30 (UTC), or a"
    " date-time; -: unknown",
    "config config [key] [value]: OCPP keys: show, or change as the Central System does;"
    " config.json",
    "config journal: what the Central System must still be told",
    "config log [level] [follow]: the latest lines; error, warning, info or debug from now on;"
    " follow: only until a key is pressed",
    "config sign: have the Central System sign a certificate for a new key of the unit",
    "config reset [hard]: end transactions and restart",
    "bench bench on|off [connector]: bench mode, without a car: for five minutes the next two"
    " work",
    "bench pilot amperes|off [connector]: the duty for 6 to 80 A",
    "bench contactor on|off [connector]: close it, if nothing is wrong",
)


async def line(unit, stdin, data, names):
    """Take the line that begins with `data[0]` from `stdin` (asyncio.StreamReader) and carry it
    out. `names`: what `>>>` assigned to before. Raises nothing for what a person typed."""
    text = bytearray()

    def write(message):  # a line of the log comes above what is being typed
        sys.stdout.write(_TO_BEGIN)
        print(message)
        sys.stdout.write(text[-_PIECE:])

    log.print = write
    try:
        lost = await _read(stdin, data, text)
    finally:
        del log.print
    if lost:
        print("%d characters too many: a line has at most %d" % (lost, _LINE))
        return
    try:
        text = bytes(text).decode()
    except UnicodeError:
        print("not UTF-8: noise on the line?")
        return
    try:
        if text.startswith(">>>"):
            await _value(unit, text[3:].strip(), names)
        elif text.strip():
            await _ask(unit, stdin, data, text.split())
    except (Exception, SystemExit) as e:
        out = io.StringIO()
        sys.print_exception(e, out)
        await _say(out.getvalue())


async def _say(text):
    # (115,200 baud are 11 characters a millisecond, and the tick must not wait for more)
    for i in range(0, len(text), _PIECE):
        sys.stdout.write(text[i : i + _PIECE])
        await asyncio.sleep_ms(0)


async def _read(stdin, data, text):
    # Echo and keep what is typed until the line ends; -> how many bytes there was no room for.
    write = sys.stdout.write
    lost = escape = 0
    while data[0] not in b"\r\n":
        b = data[0]
        if escape:  # an arrow or a function key: ESC [ ... letter
            escape = 2 if escape == 1 and b in b"[O" else 0 if 0x40 <= b else escape
        elif b == 0x1B:  # Escape
            escape = 1
        elif b == 0x15:  # Ctrl-U
            write(_TO_BEGIN)
            text[:] = b""
            lost = 0
        elif b in b"\b\x7f":  # backspace, delete
            if lost:
                lost -= 1
            elif text:
                while text[-1] & 0xC0 == 0x80 and len(text) > 1:  # (a character of many bytes)
                    text[-1:] = b""
                text[-1:] = b""
                write(b"\b \b")
        elif b >= 0x20:
            if len(text) < _LINE:
                text.append(b)
                write(data)
            else:
                lost += 1
        if not await stdin.readinto(data):
            break
    write(b"\n")
    return lost


async def _value(unit, text, names):
    names["unit"], names["station"] = unit, unit.station
    try:
        code = compile(text, "console", "eval")
    except SyntaxError:
        code = compile(text, "console", "exec")
    value = eval(code, names)
    if hasattr(value, "send"):  # a coroutine
        value = await value
    if value is not None:
        await _say("%r\n" % (value,))


async def _ask(unit, stdin, data, parts):
    # A command is a generator of lines to say (str, or bytes of who knows what), of None for a
    # moment of others' time, and True to wait for a key; 20 ms at most from one to the next.
    try:
        for piece in _find(unit, parts):
            if piece is True:
                await stdin.readinto(data)
            elif piece is None:
                await asyncio.sleep_ms(0)
            else:
                await _say(piece)
                await _say("\n")
    except ValueError as e:  # what a command says of its words
        await _say("%s: %s\n" % (parts[0], e))


def _find(unit, parts):
    name = parts[0].lower()
    for text in _TABLE:
        module, *fields = text.split(": ")[0].split(" ")
        if fields[0] == name:
            least = len([field for field in fields if not field.startswith("[")])
            if not least <= len(parts) or len(parts) > len(fields) and "." not in fields[-1]:
                raise ValueError("it is used as: " + " ".join(fields))
            args = parts[1:]
            if fields[-1] == "[connector]":  # all Connectors in a list, or the one of that number
                every = unit.station.connectors
                if len(parts) == len(fields):
                    n = args.pop()
                    if not n.isdigit() or not 1 <= int(n) <= len(every):
                        raise ValueError("connector %s: there are 1 to %d" % (n, len(every)))
                    every = every[int(n) - 1 : int(n)]
                args.append(every)
            return getattr(lazy.load("console." + module), name)(unit, *args)
    return _help() if name in ("help", "?") else _others(name)


def _help():
    for text in _TABLE:
        yield "  %-37s  %s" % tuple(text[text.find(" ") + 1 :].split(": ", 1))
    yield "  %-37s  %s" % (">>> expression or statement", "Python, with `unit` and `station`")
    yield "Ctrl-C stops the firmware, outputs safe, and gives the REPL."


def _others(name):
    best, least = None, 3
    for text in ("line help: all of this",) + _TABLE:
        other = text.split(":")[0].split(" ")[1]
        far = _rank(name, other)
        if far < least:
            best, least = other, far
        yield None
    hint = "did you mean %s?" % best if best else "try help"
    yield "%s: no such command; %s" % (name[:_PIECE], hint)


def _rank(a, b):
    # How many letters are to be put in, taken out or changed; two that were swapped count once.
    a, b = a.encode(), b.encode()  # (docs/memory.md, Names)
    if len(a) > 12:
        return len(a)
    before, row = [], list(range(len(b) + 1))
    for i in range(len(a)):
        before, last, row = row, before, [i + 1]
        for k in range(len(b)):
            least = min(before[k] + (a[i] != b[k]), before[k + 1] + 1, row[k] + 1)
            if i and k and a[i] == b[k - 1] and a[i - 1] == b[k]:
                least = min(least, last[k - 1] + 1)
            row.append(least)
    return row[-1]
