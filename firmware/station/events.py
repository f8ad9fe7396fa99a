"""What the station has to tell or to ask, beside its transactions (journal.py): waits in RAM."""

from collections import namedtuple

# Connector `number` (0: the charge point itself) was in `state` with `fault` from `time_s` on.
Notice = namedtuple("Notice", ("number", "state", "fault", "time_s"))

# A sample (metering.py) of connector `number` that belongs to no transaction.
Sample = namedtuple("Sample", ("number", "sample"))

# `data` for the party named `vendor`, by the owner's rules (policy.py); texts.
Transfer = namedtuple("Transfer", ("vendor", "message", "data"))


class Ask:
    """May `token` charge at `connector` (None: where its car comes), or end what goes on there?
    Then, once it may, what waits there for its car.

    | profile   | record of the transaction to come, or None |
    | ticks_ms  | when it was shown last, or accepted |
    | visit, tx | Controller.visit and the transaction of then |
    | group     | of the token, or None |
    | wait_s    | how long it waits for a car |
    | roams     | it named no connector: it goes where the car does |"""

    def __init__(self, token, connector, profile, ticks_ms, group=None, wait_s=0, roams=False):
        self.token, self.connector, self.profile = token, connector, profile
        self.ticks_ms = ticks_ms
        self.visit = connector.controller.visit if connector else 0
        self.tx = connector.tx if connector else None
        self.group, self.wait_s, self.roams = group, wait_s, roams
