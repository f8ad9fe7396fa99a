"""When the electrical tick begins and ends on a chip (docs/simulator.md), by draws of a chapter.

A hardware timer asks for a tick each 25 ms. It comes late where C code runs, which nothing cuts
through, and not at all within 5 ms of the one before (Ticker in firmware/app/tasks.py). From what
it has read to what it drives it takes some ms. Runs on CPython and on MicroPython.
"""

from sim.car import Dice
from sim.rules.deadlines import TICK_ms

REST_ms = 5  # between two ticks
SHORTEST_ms = 5  # from what a tick reads to what it drives, one connector, an ESP32 at 240 MHz
LENGTHS = 5  # so many different ones
SPREAD_ms = LENGTHS - 1  # by which one tick's outputs may come sooner than another's
JITTER = 4  # ms that a callback is late where nothing else runs
ERASE_ms, WORST_ERASE_ms = 45, 400
# So many of 256 ticks wait for a collection (up to 25 ms), for C code (10 to 52 ms), for an erase
# of the flash: at rest, in a day's work, while profiles come, while they come without a pause.
LOADS = ((0, 0, 0), (16, 6, 1), (48, 32, 6), (96, 64, 16))


class Chip:
    """`read_ms`, `end_ms`: when the latest tick has read its inputs and set its outputs;
    `tick_ms`: how long the next one takes from one to the other; `between_ms`: some time before
    it; `free_ms`: until then the program is held up."""

    def __init__(self, seed, load):
        self._dice = Dice(seed)
        self._gc, self._c, self._erase = LOADS[load]
        self.start(0)

    def start(self, now_ms):
        """The program starts, and with it the timer."""
        self._timer_ms = self.read_ms = self.end_ms = self.free_ms = self.between_ms = now_ms
        self.tick_ms = SHORTEST_ms

    def held(self, now_ms, ms):
        """From now on the program is held up for so long."""
        self.free_ms = max(self.free_ms, now_ms) + ms

    def next_ms(self):
        """When the next tick begins, if nothing more holds it up."""
        draw = self._dice.below(1000000)
        self.tick_ms = SHORTEST_ms + draw % LENGTHS
        draw //= LENGTHS
        late_ms = self._late_ms(draw)
        at_ms = self._timer_ms
        # (what is due while a tick runs comes at its end, which is too soon)
        while True:
            at_ms += TICK_ms
            begin_ms = max(at_ms + late_ms, self.free_ms)
            if at_ms >= self.end_ms and begin_ms - self.end_ms >= REST_ms:
                break
        self._timer_ms = at_ms
        self.between_ms = self.end_ms + (begin_ms - self.end_ms) * (draw % 37) // 37
        return begin_ms

    def _late_ms(self, draw):
        kind = draw & 255
        draw >>= 8
        late_ms = draw % JITTER
        if kind < self._gc:
            return late_ms + draw % 26
        kind -= self._gc
        if kind < self._c:
            return late_ms + 10 + draw % 43
        if kind - self._c < self._erase:
            return late_ms + (ERASE_ms if draw % 64 else WORST_ERASE_ms)
        return late_ms
