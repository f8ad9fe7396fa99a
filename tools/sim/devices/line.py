# For unit tests on MicroPython: the simulated chip's line to the wall ends in this process.
# Needs tools/sim/esp32 and tools on sys.path. Import it before the drivers.

import sys
import utime

import bus

from sim.devices import PIN_OUT, Panel
from sim.wall import Wall


class Line:
    """`board` on a wall. With `virtual` the chip's clock is the wall's: `advance(ms)` moves both.
    `outputs`: the latest (pin, level), in their order."""

    def __init__(self, board, virtual=False):
        self.wall = Wall(board.CONNECTORS, lambda outlet, what, fields: None)
        self.outlet = self.wall.outlets[0]
        self.panel = Panel(board, self.wall)
        self.outputs = []
        if "machine" in sys.modules:
            sys.modules["machine"]._watched.clear()  # of the line before
        bus.ask = self.ask
        if virtual:
            bus.now_ms = lambda: self.wall.now_ms

    def device(self, part):
        return self.panel.of(self.outlet, part)

    def ask(self, op, pin=0, value=0, payload=b""):
        if op == bus.PWM:
            self.wall.pwm(pin, int.from_bytes(payload, "little"), value)
            return 0, 0, 0, b""
        if op == PIN_OUT:
            if len(self.outputs) == 40:
                self.outputs.pop(0)
            self.outputs.append((pin, value))
        return self.panel.serve(op, pin, value, payload)

    def advance(self, ms, *drivers):
        """Time goes on; each driver is updated every 25 ms of it."""
        import machine

        while ms > 0:
            step = min(ms, 25)
            ms -= step
            self.wall.advance(self.wall.now_ms + step)
            self.panel.advance()
            utime.sleep_us(1100)  # the simulated ADC asks once a millisecond
            machine.interrupts()
            for driver in drivers:
                driver.update()
