# A policy.py for the simulated board that throws exceptions into the firmware's tasks, at the
# await that the test names (test_station_crash.py). MicroPython; FOLDER becomes the test's folder.
#
# The file FOLDER/plan says what to do, as JSON: {"task": name of the coroutine function,
# "at": [n, ...], "kind": name of the exception, "ms": n or null}. It is thrown at the n-th await
# of that task from then on, the second one at the n-th after the first; with "ms" only sleeps of
# that length count. Each throw is told on the console:
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

import firmware.app

FOLDER = ""
plan = None
thrown = False  # nothing has run since
asked_ms = None  # by the coroutine that runs, of sleep_ms


class Task:
    """A coroutine of the firmware, with an await to throw at."""

    def __init__(self, inner, name):
        self.inner = inner
        self.name = name
        self.ms = None  # what it sleeps

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        global plan, thrown, asked_ms
        if thrown:
            thrown = False
            print("inject: the loop goes on")
        if plan and plan["task"] == self.name and plan["ms"] in (None, self.ms):
            plan["at"][0] -= 1
            if not plan["at"][0]:
                kind = getattr(builtins, plan["kind"])
                plan["at"].pop(0)
                if not plan["at"]:
                    plan = None
                return self.inject(kind("injected"))
        asked_ms = None
        result = self.inner.send(value)
        self.ms = asked_ms
        return result

    def inject(self, e):
        global thrown
        ms = bus.now_ms()
        thrown = True
        try:
            result = self.inner.throw(e)
        except Exception as out:
            where = place(out)
            print(f"inject {self.name} at {ms}: {where}")
            raise
        except BaseException:  # (SystemExit: _supervise has it already)
            print(f"inject {self.name} at {ms}: and out")
            raise
        print(f"inject {self.name} at {ms}: went on")
        return result

    def throw(self, e):
        return self.inner.throw(e)

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


def supervise(self, task, critical):
    return real_supervise(self, Supervised(task), critical)


def create_task(coro):
    name = repr(coro).split("'")[1] if "'" in repr(coro) else ""
    if name not in ("", "_supervise", "run"):
        coro = Task(coro, name)
    return real_create_task(coro)


async def read_plan():
    global plan
    while True:
        await board._real_sleep_ms(10)
        if "plan" in os.listdir("/host"):
            with open("/host/plan") as f:
                plan = json.load(f)
            os.remove("/host/plan")
            print("inject: planned")


real_supervise = firmware.app.App._supervise
firmware.app.App._supervise = supervise
real_sleep_ms, asyncio.sleep_ms = asyncio.sleep_ms, sleep_ms
real_create_task = asyncio.create_task
core = sys.modules["asyncio.core"]
board.vfs.mount(board.vfs.VfsPosix(FOLDER), "/host")
real_create_task(read_plan())
asyncio.create_task = core.create_task = create_task
