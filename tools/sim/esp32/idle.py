# How the board waits where its time is a chip's (cpu.py): asyncio's loop and its sleeps,
# time.sleep, and the console, which takes its characters one after the other. World time goes on
# by what was asked for, however late the host is; it does not run away from the host's, `speed`
# times as fast.

import asyncio
import builtins
import utime
from micropython import const

import bus
import cpu

_GRID_us = const(10000)  # FreeRTOS's tick: what sleeps wakes with one
_BEHIND_us = const(100000)  # of real time: a host that is later than that is not waited for
_FAR_us = const(1000000000)
_AHEAD_ms = const(200000000)
_POLL_us = const(150)  # by each step of the loop, to look at sockets and console (estimate)
_CHARACTER_us = const(87)  # at 115,200 baud
_FIFO_us = const(11136)  # 128 of them

_real_us = _world_us = 0  # of the host, and world time then
_sent_us = 0  # world time when the console's last character has left
_print = print
_poll = asyncio.core._io_queue.wait_io_event


def start(most_MHz):
    """From here on the board is as slow as cpu.start() has it."""
    cpu.start(most_MHz)
    builtins.print = _say
    asyncio.core._io_queue.wait_io_event = wait_io_event
    asyncio.core.sleep_ms = asyncio.sleep_ms = sleep_ms
    _rebase()


class _Sleepers:
    """Tasks that sleep, until when in world time. In asyncio's queue, which goes by the host's,
    each has a place far ahead, by which it is known: who was cancelled has another."""

    def __init__(self):
        self._tasks, self._places, self.until_us = [], [], []
        self._count = 0
        self._begin_us = -1

    def begin(self, us):
        self._begin_us = bus.world_us + us
        return self

    def __iter__(self):
        return self

    def __next__(self):
        if self._begin_us < 0:
            raise StopIteration
        cpu.lock()
        at = len(self._tasks)
        while at and self.until_us[at - 1] > self._begin_us:
            at -= 1
        self._count = (self._count + 1) % _AHEAD_ms
        place = utime.ticks_add(utime.ticks_ms(), _AHEAD_ms + self._count)
        core = asyncio.core
        self._tasks.insert(at, core.cur_task)
        self._places.insert(at, place)
        self.until_us.insert(at, self._begin_us)
        core._task_queue.push(core.cur_task, place)
        self._begin_us = -1
        cpu.free()

    def wake(self):
        queue = asyncio.core._task_queue
        while self._tasks and self.until_us[0] <= bus.world_us:
            self.until_us.pop(0)
            task = self._tasks.pop(0)
            if task.ph_key == self._places.pop(0):
                queue.remove(task)
                queue.push(task)


_sleepers = _Sleepers()


def sleep_ms(ms):
    """asyncio's."""
    cpu.lock()
    try:
        return _sleepers.begin(max(0, ms) * 1000)
    finally:
        cpu.free()


def wait_io_event(_):
    """For asyncio's loop: until something comes, or a sleep ends. The timer's callbacks run
    meanwhile, as on the chip, whose poll() waits on after them."""
    cpu.lock()
    bus.world_us += _POLL_us
    try:
        while not _waited():
            _call_back()
        _call_back()
    finally:
        cpu.free()


def _call_back():
    # What is due; what it computes is the chip's.
    if bus.next and bus.next <= bus.world_us:
        cpu.free()
        cpu.due()
        cpu.lock()


def _waited():
    _wait_for_host()
    if _ready():
        _poll(0)
        return True
    until_us = _sleepers.until_us[0] if _sleepers.until_us else bus.world_us + _FAR_us
    _idle((until_us + _GRID_us - 1) // _GRID_us * _GRID_us, _poll)
    return _ready()


def _ready():
    _sleepers.wake()
    task = asyncio.core._task_queue.peek()
    return task and utime.ticks_diff(task.ph_key, utime.ticks_ms()) <= 0


def sleep_us(us):
    """The program does nothing, and the timer's callbacks run."""
    cpu.lock()
    end_us = bus.world_us + us
    try:
        while bus.world_us < end_us:
            _wait_for_host()
            _idle(end_us, None)
            _call_back()
    finally:
        cpu.free()


def _idle(until_us, poll):
    if bus.next:
        until_us = min(until_us, bus.next)
    left_us = until_us - bus.world_us
    if left_us <= 0:
        return
    real_us = left_us // bus.speed
    if poll and real_us >= 1000:
        began = utime.ticks_us()
        poll(real_us // 1000)
        passed_us = utime.ticks_diff(utime.ticks_us(), began)
        if passed_us < real_us // 1000 * 1000:  # something has come
            bus.world_us += min(passed_us * bus.speed, left_us)
            return
        real_us %= 1000
    utime.sleep_us(real_us)
    bus.world_us = until_us
    if poll:
        poll(0)


def _rebase():
    global _real_us, _world_us
    _real_us, _world_us = utime.ticks_us(), bus.world_us


def _wait_for_host():
    # World time does not run away from the host's, `speed` times as fast.
    real_us = utime.ticks_diff(utime.ticks_us(), _real_us)
    ahead_us = (bus.world_us - _world_us) // bus.speed - real_us
    if ahead_us > 0:
        utime.sleep_us(ahead_us)
    elif ahead_us < -_BEHIND_us:
        _rebase()
    if real_us > 100000000:
        _rebase()


def _say(*args, end="\n", **more):
    # Characters leave one after the other; the FIFO takes 128, then the program waits.
    global _sent_us
    cpu.lock()
    try:
        n = sum([len(str(a)) + 1 for a in args]) - 1 + len(end)
        _sent_us = max(_sent_us, bus.world_us) + n * _CHARACTER_us
        over_us = _sent_us - bus.world_us - _FIFO_us
        if over_us > 0:
            bus.world_us += (over_us + _GRID_us - 1) // _GRID_us * _GRID_us
        _print(*args, end=end, **more)
    finally:
        cpu.free()
