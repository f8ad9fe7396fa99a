"""A whole station above its WebSocket, for messages.py; runs on MicroPython.

    micropython messages_player.py [FLAW]

The real Rpc, Core, SmartCharging, Configuration and Station on a flash in RAM; the connection is
in memory, and time passes only when it is told to. Orders come on stdin, a line each:

    n          a new unit, with a transaction (id 1001) on connector 1 of 2
    m LENGTH   a message of so many bytes follows
    p SECONDS  time passes
    c          the connection is lost, and there is a new one
    q          what is live in the heap, and how many names are interned

Answers are lines, too: "> TEXT" what was sent, "! TEXT" what should not have been raised,
"P HEX HEX ..." the profiles on flash, if others than before, "= ..." figures, and in the end
". BOOT MUTE".
"""

import asyncio
import gc
import micropython
import os
import sys
from binascii import hexlify

# ruff: noqa: E402, UP031
sys.path[:0] = ["", "lib", "tests/unit"]

from talking import Unit, play_time

from firmware import lazy
from firmware.ocpp import rpc, schema
from firmware.ocpp.v16 import smart_charging


def say(mark, text):
    sys.stdout.write("%s %s\n" % (mark, text))


def sent(text):
    say(">", text)


def failed(text):
    say("!", text)


def profiles(unit, before):
    """Say what lies on flash, if it is not what was there before; -> what tells."""
    now = [w[1] for w in unit.world.store.records]
    if now != before:
        out = []
        for name in os.listdir("/flash/profiles"):
            if name.endswith("~"):
                continue  # (replaced, and in force until its successor begins: not installed)
            with open("/flash/profiles/" + name, "rb") as f:
                out.append(hexlify(f.read()).decode())
        say("P", " ".join(out))
    return now


# Flaws, to prove that the prover notices.


def unchecked():
    # what the schema says of SetChargingProfile does not count
    check = schema.check
    schema.check = lambda action, *rest: action != "SetChargingProfile" and check(action, *rest)


def twice():
    # a second answer to one request
    answer = rpc.Rpc._answer_call

    async def again(self, message_id, frame):
        frame = list(frame)
        await answer(self, message_id, frame[:])
        if len(frame) > 4:
            await answer(self, message_id, frame)

    rpc.Rpc._answer_call = again


def interns():
    # each time that an action is named a name of its own stays for ever
    known = schema.known
    count = [0]

    def remember(action):
        count[0] += 1
        getattr(rpc, "%s %d" % (str(action)[:20], count[0]), None)
        return known(action)

    schema.known = remember


def leaks():
    # messages that are no JSON are kept
    kept = []
    loads = rpc.loads

    def keep(data):
        try:
            return loads(data)
        except ValueError:
            kept.append(bytes(data))
            raise

    rpc.loads = keep


def hasty():
    # a second CALL before the first one is answered
    class Lock(asyncio.Lock):
        def locked(self):
            return False

        async def acquire(self):
            return True

        def release(self):
            pass

    rpc_init = rpc.Rpc.__init__

    def init(self, *args):
        rpc_init(self, *args)
        self._lock = Lock()

    rpc.Rpc.__init__ = init


def generous():
    # a limit of 13 A is stored as 16 A
    fields, load = smart_charging.charging_profile, lazy.load
    periods = fields._periods
    fields._periods = lambda ps: [
        (s, 160 if limit == 130 else limit, n) for s, limit, n in periods(ps)
    ]
    lazy.load = lambda name: smart_charging if name == "ocpp.v16.smart_charging" else load(name)


FLAWS = {
    "unchecked": unchecked,
    "twice": twice,
    "interns": interns,
    "leaks": leaks,
    "hasty": hasty,
    "generous": generous,
}


async def main(flaw=None):
    if flaw:
        FLAWS[flaw]()
    time = play_time()

    def lost(loop, context):
        say("!", "a task: %r" % context["exception"])
        sys.print_exception(context["exception"])

    asyncio.get_event_loop().set_exception_handler(lost)
    stdin = sys.stdin.buffer
    unit = None
    while True:
        order = stdin.readline().split()
        if not order:
            break
        if order[0] == b"m":
            await unit.message(stdin.read(int(order[1])))
        elif order[0] == b"n":
            if unit:
                await unit.end()
            unit = None
            gc.collect()
            unit = Unit(time, sent, failed)
            told = []
            await unit.connect()
        elif order[0] == b"p":
            await unit.passes(int(order[1]))
        elif order[0] == b"c":
            await unit.connect()
        elif order[0] == b"q":
            gc.collect()
            say("=", gc.mem_alloc())
            micropython.qstr_info()
        told = profiles(unit, told)
        boot = unit.outbox.boot
        if boot is not None:
            boot = ("Accepted", "Pending", "Rejected")[boot]
        say(".", "%s %d" % (boot, unit.rpc.mute))


asyncio.run(main(*sys.argv[1:]))
