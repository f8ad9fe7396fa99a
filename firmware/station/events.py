"""What the station has to tell or ask beside its transactions (journal.py): it waits in RAM."""

from collections import namedtuple

# Connector `number` (0: the charge point itself) was in `state` with `fault` from `time_s` on.
Notice = namedtuple("Notice", ("number", "state", "fault", "time_s"))

# A sample (metering.py) of connector `number` that belongs to no transaction.
Reading = namedtuple("Reading", ("number", "sample"))

# `data` for the party named `vendor`, by the owner's rules (policy.py); texts.
Transfer = namedtuple("Transfer", ("vendor", "message", "data"))


class Ask:
    """May `token` charge at `connector` (None: where its car comes), or end what goes on there?

    | profile   | record of the transaction to come, or None |
    | ticks_ms  | when it was shown last |
    | visit, tx | Controller.visit and the transaction of then |"""

    def __init__(self, token, connector, profile, ticks_ms):
        self.token = token
        self.connector = connector
        self.profile = profile
        self.ticks_ms = ticks_ms
        self.visit = connector.controller.visit if connector else 0
        self.tx = connector.tx if connector else None
