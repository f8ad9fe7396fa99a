# A policy.py for the simulated board that throws exceptions into the firmware's tasks, at the
# await that the test names (test_station_crash.py). MicroPython; FOLDER becomes the test's folder,
# and LETTERS what the build says.
#
# The file FOLDER/plan says what to do, as JSON: {"steps": [[name of the coroutine function, n],
# ...], "kind": name of the exception, "ms": n or null}. It is thrown at the n-th await of that
# task from then on, then comes the next step; with "ms" only sleeps of that length count. Each
# throw is told on the console:
#
#   inject NAME at MS: PLACES         the last two lines of the traceback; MS is the world's time
#   inject: the loop goes on          something has run since

import asyncio
import builtins
import io
import json
import os
import sys

import board
import bus

from firmware.app import tasks

FOLDER = ""
LETTERS = {}  # what the board calls a coroutine (host/shorten.py): its name
plan = None
thrown = False  # nothing has run since
asked_ms = None  # by the coroutine that runs, of sleep_ms
locked = False  # it has to wait for a Lock


class Task:
    """A coroutine of the firmware, with an await to throw at."""

    def __init__(self, inner, name):
        self.inner = inner
        self.name = name
        self.ms = None  # what it sleeps
        self.locked = False

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        global thrown
        if thrown:
            thrown = False
            print("inject: the loop goes on")
        if self.due():
            return self.inject()
        return self.run(self.inner.send, value)

    def throw(self, e):
        return self.run(self.inner.throw, e)

    def run(self, resume, value):
        global asked_ms, locked
        asked_ms, locked = None, False
        result = resume(value)
        self.ms, self.locked = asked_ms, locked
        return result

    def due(self):
        # (A Lock's own await is left out: only a cancellation ends it, which asyncio sees to.)
        if not plan or plan["steps"][0][0] != self.name or self.locked:
            return False
        if plan["ms"] not in (None, self.ms):
            return False
        plan["steps"][0][1] -= 1
        return not plan["steps"][0][1]

    def inject(self):
        global plan, thrown
        e = getattr(builtins, plan["kind"])("injected")
        plan["steps"].pop(0)
        if not plan["steps"]:
            plan = None
        ms = bus.now_ms()
        thrown = True
        try:
            return self.throw(e)
        finally:
            print(f"inject {self.name} at {ms}: {place(e)}")

    def close(self):
        self.inner.close()


def place(e):
    f = io.StringIO()
    sys.print_exception(e, f)
    places = [line for line in f.getvalue().split("\n") if " line " in line]
    return " > ".join([line.strip() for line in places if "policy.py" not in line][-2:])


def sleep_ms(ms):
    global asked_ms
    asked_ms = ms
    return real_sleep_ms(ms)


def acquire(self):
    global locked
    locked = self.state != 0
    return real_acquire(self)


def local_limit(now_s, station):
    """Another one each second, so that there is always an instant that is due."""
    return 20000 + now_s % 2 * 1000


class Supervised:
    """A task function of App."""

    def __init__(self, task):
        self.task = task
        self.__name__ = task.__name__

    def __call__(self):
        return Task(self.task(), self.__name__)


def supervise(app, task, critical):
    return real_supervise(app, Supervised(task), critical)


def create_task(coro):
    name = repr(coro).split("'")[1] if "'" in repr(coro) else ""
    name = LETTERS.get(name, name)
    if name not in ("", "supervise", "run"):
        coro = Task(coro, name)
    return real_create_task(coro)


async def read_plan():
    global plan
    while True:
        await board.real_sleep_ms(10)
        if "plan" in os.listdir("/host"):
            with open("/host/plan") as f:
                plan = json.load(f)
            os.remove("/host/plan")
            print("inject: planned")


real_supervise, tasks.supervise = tasks.supervise, supervise
real_sleep_ms, asyncio.sleep_ms = asyncio.sleep_ms, sleep_ms
real_acquire, asyncio.Lock.acquire = asyncio.Lock.acquire, acquire
real_create_task = asyncio.create_task
core = sys.modules["asyncio.core"]
board.vfs.mount(board.vfs.VfsPosix(FOLDER), "/host")
real_create_task(read_plan())
asyncio.create_task = core.create_task = create_task
