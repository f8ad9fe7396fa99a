"""The contact by which the operator of the grid has the station take less. One for all connectors;
it opens nothing and is no fault: what it says is a limit (station/outside.py)."""

from micropython import const

_CLOSED = const(3)  # looks of 100 ms in a row, until it counts
_OPEN = const(50)  # less comes soon, more when it has been quiet for 5 s


class Contact:
    """Input `live`: the contact is closed; None: it was not read yet.

    | on       | the station has to take less; None: nobody knows yet |
    | limit_mA | per phase, what all connectors together may take then |"""

    def __init__(self, limit_mA):
        self.limit_mA = limit_mA
        self.live = self.on = None
        self._seen, self._looks = None, 0  # the latest look, how many in a row were like it

    def changed(self):
        """Look at it, ten times a second; True when `on` is another."""
        live = self.live
        self._looks = min(self._looks + 1, _OPEN) if live == self._seen else 1
        self._seen = live
        if live is None or live == self.on or self._looks < (_CLOSED if live else _OPEN):
            return False
        self.on = live
        return True
