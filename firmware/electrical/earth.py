"""The protective earth, as its monitor or an opto-coupler between phase and earth sees it.
docs/electrical.md 5, hazard 9."""

from micropython import const

from . import faults

_BACK_ms = const(60000)


class Earth:
    """Input `live`: the earth is there; None: it was not read yet."""

    busy = False

    def __init__(self):
        self.fault = faults.NONE
        self.ready = False
        self.live = None
        self._back_ms = _BACK_ms  # since it came back

    def tick(self, dt_ms, c):
        """Judge the latest reading (see controller.py)."""
        if self.live is None:
            return
        self._back_ms = min(self._back_ms + dt_ms, _BACK_ms) if self.live else 0
        self.fault = faults.NONE if self._back_ms == _BACK_ms else faults.PE
        self.ready = not self.fault
