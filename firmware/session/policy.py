# The owner's own rules: policy.py on the unit's file system, absent by default. Its exceptions
# are logged and cost nothing else. What it may define: examples/policy.py.

import sys
from micropython import const

from firmware.charging import limits

_HOLD_s = const(60)  # a local limit that is not said again falls away after this


class Policy:
    """`module`: policy.py, None where there is none, or none that can be imported."""

    def __init__(self, log):
        self._log = log
        self.module = None
        try:
            import policy

            self.module = policy
            log("policy.py is in force")
        except ImportError as e:
            if "policy" not in str(e):  # it is there, and misses something itself
                self._failed("import", e)
        except Exception as e:
            self._failed("import", e)

    def _failed(self, where, e):
        sys.print_exception(e)
        self._log("policy.py: %s: %r" % (where, e))

    def on_charging_profile(self, request, station):
        """Accepted, Rejected or NotSupported, for a SetChargingProfile.req that is right."""
        hook = getattr(self.module, "on_charging_profile", None)
        if hook is None:
            return "Accepted"
        try:
            status = hook(request, station)
            if status in ("Accepted", "Rejected", "NotSupported"):
                return status
            self._log("policy.py: on_charging_profile returned %r" % (status,))
        except Exception as e:
            self._failed("on_charging_profile", e)
        return "Rejected"

    def on_data_transfer(self, request, answer, station):
        """The answer to a DataTransfer.req of Station.transfer; None: there was none."""
        hook = getattr(self.module, "on_data_transfer", None)
        if hook:
            try:
                hook(request, answer, station)
            except Exception as e:
                self._failed("on_data_transfer", e)

    def local_limit(self, now_s, station):
        """Ask for the local limit and put it into every connector's slot; call once a second."""
        hook = getattr(self.module, "local_limit", None)
        if hook is None:
            return
        try:
            limit_mA = hook(now_s, station)
            if limit_mA is not None and (not isinstance(limit_mA, int) or limit_mA < 0):
                raise ValueError("mA or None expected, not %r" % (limit_mA,))
        except Exception as e:
            return self._failed("local_limit", e)
        for c in station.connectors:
            if c.limits.get(limits.POLICY) != limit_mA:
                station.due_s = 0
            # without its word the last one holds for a while, and then nothing of it is left
            c.limits.put(limits.POLICY, limit_mA, now_s + _HOLD_s)
